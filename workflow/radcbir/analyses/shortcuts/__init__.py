"""Do neighbors share the scanner, the site or the view, instead of the finding?"""
