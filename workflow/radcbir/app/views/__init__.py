"""What the page shows around ranked images: one result per patient, the series of an image, and the
values of its file for the viewer.
"""
