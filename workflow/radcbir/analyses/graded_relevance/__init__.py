"""How good is the order of neighbors that are partly right?"""
