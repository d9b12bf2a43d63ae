"""How sure are the figures, and which differences between models are real?"""
