"""Image files -> pixels: PNG, JPEG, TIFF, DICOM and NIfTI, windowed to 8 bit by one policy."""
