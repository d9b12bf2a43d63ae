"""What do the neighbors look like?"""
