"""Do linear classifiers on the embeddings tell the classes apart?"""
