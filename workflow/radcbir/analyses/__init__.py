"""One folder for each analysis: what it computes, its figure, its page, its captions."""
