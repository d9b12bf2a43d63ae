"""Does a model find the same finding in another dataset?"""
