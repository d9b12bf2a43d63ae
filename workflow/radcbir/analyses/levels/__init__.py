"""Are modality, region and finding right, each on its own?"""
