"""What do the neighbors look like?"""

from radcbir.analyses import Analysis, Project
from radcbir.core import layout


def _files(project: Project, experiment: str) -> list[str]:
    splits = project.experiments[experiment]["query_splits"]
    return [layout.GALLERY.format(experiment=experiment, split=each) for each in splits]


ANALYSIS = Analysis(
    name="gallery",
    title="Gallery",
    question="What do the neighbors look like?",
    section="Errors",
    own_rules=True,
    files=_files,
    needs_vectors=False,
    one_label=False,
)
