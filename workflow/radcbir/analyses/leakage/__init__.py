"""How much of the precision comes from the same patient, the same study, or near duplicates?"""
