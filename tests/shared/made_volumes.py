"""Made series of three slices, whose shapes are known."""

import numpy as np

LABELS = ["XR/chest/disc", "XR/chest/bar"]


def slices(series=12):
    """Series of three slices, two per patient and study, the last two patients ask; a slice of
    series 3 has another label, and one image has no series."""
    listed = []
    for number in range(3 * series):
        one, place = divmod(number, 3)
        kind = 1 - one % 2 if number == 11 else one % 2
        listed.append(
            {
                "filepath": f"s{one:02d}/{2 - place}.png",
                "split": "test" if one >= series - 4 else "train",
                "label": LABELS[kind],
                "patient_id": f"p{one // 2}",
                "study_id": f"t{one // 2}",
                "series_id": f"{one % 2}",
                "position": str(place * 2.5),
            }
        )
    return [*listed, listed[0] | {"filepath": "alone.png", "series_id": ""}]


def write(project, listed):
    """Write the CSV of a dataset `ct` and draw its slices, a third of which have any shape."""
    project.write_csv(listed, "data/ct.csv")
    shapes = np.random.default_rng(3).integers(0, 4, len(listed))
    for number, row in enumerate(listed):
        kind = shapes[number] if number % 3 == 1 else LABELS.index(row["label"])
        project.draw(f"../ct/{row['filepath']}", kind, number)
