"""Do neighbors share the scanner, the site or the view, instead of the finding?"""

from radcbir.analyses import Analysis

ANALYSIS = Analysis(
    name="shortcuts",
    title="Shortcuts",
    question="Does a model find the site, the scanner, the view, the sex or the age instead of the finding?",
    section="Can I trust it",
    tables=("shortcuts",),
    figures={"shortcuts": "shortcuts"},
    page="shortcuts: what else neighbors share (table)",
)
