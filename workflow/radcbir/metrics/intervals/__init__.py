"""How sure an average is, and which models differ, given a sample of patients.

Images of one patient resemble one another, so the unit is the patient, not the query (an image
whose patient is not known is a patient of its own). An average is a mean over queries (micro), or
the mean over classes of their means (macro). Everything follows from how far each patient moves it
(:class:`Average`). The methods were chosen by simulation; ``tests/unit/metrics/test_intervals.py``
and ``test_coverage.py`` repeat it. No other module has intervals, quantiles or p values of its own.

- **Standard error**: the square root of the summed squares of these moves. Each is enlarged for
  what the patient takes away from its own deviation, as if all patients' means had the same
  variance. A class with one patient has no deviation within itself. It takes its distance from the
  mean of all classes (collapsed strata; Wolter, *Introduction to Variance Estimation*, 2007,
  section 2.5), or the deviation that patients of the other classes have, whichever is larger: it
  may be too large, but hardly too small. So every class is part of a macro average.
- **Interval of an average in [0, 1]**: Wilson's score interval with the effective sample size
  value (1 - value) / error^2, and a quantile of t in place of the normal one (the modified Wilson
  interval; Franco, Little, Louis, Slud, *J. Surv. Stat. Methodol.* 7, 2019, 334-364).
- **Effective number of patients** (Kish, *Survey Sampling*, 1965, section 11.7): 1 over the sum of
  the squared shares that patients have in the average: their number where shares are equal, less
  where a few have most. The quantile of t has one degree of freedom less than it.
- **Interval of a difference**: Student's t on the standard error, of the same queries
  (:func:`difference_interval`) or of others (:func:`compared`). Near 0 and 1, and where few
  patients tell two models apart, the standard error is not taken at its word.
- **Values that are no means** (AUC and others): the standard error follows from how far each query
  moves the value, to first order (:func:`of_influence`).
- **Which models differ**: in each draw, the answers of all models change sides at random, patient by
  patient. A difference counts if few such draws give a larger one for *any* pair of models
  (:func:`swapped`). So the chance of a single wrong verdict among all pairs is at most 5 %. Other
  families are adjusted by Holm (:func:`holm`) or Bonferroni (:func:`pairs_of`).

These are statements about the queries. The index is fixed.
"""

from radcbir.metrics.intervals.averages import Average, ClassMeans, average, class_means
from radcbir.metrics.intervals.ends import (
    Side,
    compared,
    difference_interval,
    least_error,
    quantile_of_t,
    score_interval,
    standard_error,
)
from radcbir.metrics.intervals.influence import Measure, of_influence, of_mean
from radcbir.metrics.intervals.multiple import drawn_signs, holm, pairs_of, swapped
from radcbir.metrics.intervals.patients import (
    ERROR_RATE,
    FEW,
    FEWEST_FOR_INTERVAL,
    FEWEST_FOR_VERDICT,
    LEVEL,
    caution,
    effective_patients,
    patients_as_clusters,
    reading,
    verdict,
)

__all__ = [
    "ERROR_RATE",
    "FEW",
    "FEWEST_FOR_INTERVAL",
    "FEWEST_FOR_VERDICT",
    "LEVEL",
    "Average",
    "ClassMeans",
    "Measure",
    "Side",
    "average",
    "caution",
    "class_means",
    "compared",
    "difference_interval",
    "drawn_signs",
    "effective_patients",
    "holm",
    "least_error",
    "of_influence",
    "of_mean",
    "pairs_of",
    "patients_as_clusters",
    "quantile_of_t",
    "reading",
    "score_interval",
    "standard_error",
    "swapped",
    "verdict",
]
