"""DICOM files -> rasters, one frame at a time. pydicom is imported here and nowhere else.

Nothing of a header leaves this package but what the pixels need and the flag of burned-in
annotations: reasons name the kind of damage, never a value, since any value may hold a name.
"""
