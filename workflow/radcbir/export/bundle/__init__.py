"""Result bundles: what an evaluation was made from and what came out, to be computed again by others
without the images.
"""
