"""Has a model seen a dataset in training?"""
