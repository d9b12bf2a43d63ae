"""Experiments that retrieve series, studies or patients: what the page does otherwise for them."""
