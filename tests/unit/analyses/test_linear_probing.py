"""Linear classifiers against a plain torch loop and scikit-learn, and which images train, select
and test."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from radcbir.analyses.linear_probing import selection
from radcbir.analyses.linear_probing.compute import (
    fraction_subset,
    probe_linearly,
    probing_data,
    shots_subset,
)
from radcbir.analyses.linear_probing.figure import label_fraction_curves
from radcbir.analyses.linear_probing.linear_probe import (
    INVERSE_PENALTIES,
    adamw_epochs,
    lbfgs_path,
)
from radcbir.analyses.linear_probing.page import (
    label_fraction_sections,
    linear_sections,
    spread_over_tries,
    subset_sizes,
)
from radcbir.analyses.linear_probing.selection import (
    FIXED_INVERSE_PENALTY,
    cross_validated_adamw,
    cross_validated_lbfgs,
    patient_folds,
    train_adamw,
    train_lbfgs,
)
from radcbir.core.errors import InputError


def clusters(seed=0, images=120, dimension=10, classes=4, spread=0.5, center_seed=99):
    """Unit vectors in one cluster per class, and their labels."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(center_seed).standard_normal((classes, dimension))
    labels = np.arange(images) % classes
    vectors = centers[labels] + spread * random.standard_normal((images, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


# --- training
# -------------------------------------------------------------------------------------------------------


def plain_adamw(
    vectors, labels, held_out_vectors, held_out_labels, classes, epochs, patience, seed
):
    """The paper's training written down once more: a module, an optimizer, two nested loops over
    index lists."""
    random = torch.Generator().manual_seed(seed)
    weight = torch.nn.Parameter(
        torch.empty(classes, vectors.shape[1]).normal_(0, 0.01, generator=random)
    )
    bias = torch.nn.Parameter(torch.zeros(classes))
    optimizer = torch.optim.AdamW([weight, bias], lr=1e-3, weight_decay=0.01)
    best_accuracy, best, bad = -1.0, None, 0
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(vectors), generator=random).tolist()
        for start in range(0, len(order), 512):
            rows = order[start : start + 512]
            logits = torch.from_numpy(vectors[rows]) @ weight.T + bias
            loss = -torch.log_softmax(logits, 1)[range(len(rows)), labels[rows]].mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            predicted = (torch.from_numpy(held_out_vectors) @ weight.T + bias).argmax(1).numpy()
        accuracy = (predicted == held_out_labels).mean()
        if accuracy > best_accuracy:
            best_accuracy, best, bad = accuracy, (weight.detach().clone().numpy(), epoch), 0
        else:
            bad += 1
            if bad >= patience:
                break
    return best, best_accuracy


def test_adamw_equals_a_plain_loop():
    train, selection = clusters(1, images=1100, spread=2), clusters(2, images=90, spread=2)
    probe = train_adamw(*train, *selection, 4, epochs=15, patience=3, least_steps=0, seed=5)
    (weight, epoch), accuracy = plain_adamw(*train, *selection, 4, epochs=15, patience=3, seed=5)
    assert probe.setting == epoch
    assert epoch > 1
    assert probe.validation_accuracy == pytest.approx(accuracy)
    np.testing.assert_allclose(probe.weight, weight, atol=1e-6)


def test_folds_side_by_side_equal_folds_one_by_one():
    """Each layer has the batches of all images without those that are apart in its fold."""
    vectors, labels = clusters(1, images=1100, spread=2)
    apart = np.arange(1100) % 3
    trains = np.stack([apart != each for each in range(3)])
    weights, biases = next(
        itertools.islice(adamw_epochs(vectors, labels, 4, 5, "cpu", trains), 3, None)
    )
    for layer in range(3):
        random = torch.Generator().manual_seed(5)
        module = torch.nn.Linear(vectors.shape[1], 4)
        with torch.no_grad():
            module.weight.normal_(0, 0.01, generator=random)
            module.bias.zero_()
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.01)
        for _ in range(4):
            for batch in torch.randperm(1100, generator=random).split(512):
                rows = batch[trains[layer][batch.numpy()]]
                optimizer.zero_grad()
                logits = module(torch.from_numpy(vectors)[rows])
                torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)[rows]).backward()
                optimizer.step()
        np.testing.assert_allclose(weights[layer].detach(), module.weight.detach(), atol=1e-6)
        np.testing.assert_allclose(biases[layer].detach(), module.bias.detach(), atol=1e-6)


def test_the_epoch_is_the_best_over_the_folds_and_all_images_train():
    vectors, labels = clusters(1, images=160, dimension=20, spread=2.0)
    folds = patient_folds(vectors, labels, patients_of(labels, each=20))
    probe = cross_validated_adamw(vectors, labels, folds, 4, epochs=40, patience=40, least_steps=0)
    trains = np.stack([each.trains for each in folds])
    right = np.zeros(40)
    training = adamw_epochs(vectors, labels, 4, 0, "cpu", trains)
    for epoch, layers in enumerate(itertools.islice(training, 40)):
        for weight, bias, fold in zip(*layers, folds, strict=True):
            logits = fold.validation_vectors @ weight.detach().numpy().T + bias.detach().numpy()
            right[epoch] += (logits.argmax(axis=1) == fold.validation_labels).sum()
    assert probe.setting == right.argmax() + 1
    assert 1 < probe.setting < 40
    assert probe.validation_accuracy == pytest.approx(right.max() / 160)
    alone = adamw_epochs(vectors, labels, 4, 0, "cpu")
    weight, _ = next(itertools.islice(alone, int(probe.setting) - 1, None))
    np.testing.assert_array_equal(probe.weight, weight[0].detach())


def test_adamw_stops_when_patience_ends_and_keeps_the_best_epoch():
    train, (vectors, labels) = clusters(1), clusters(2)
    wrong, early = np.zeros_like(labels), {"epochs": 100, "least_steps": 0, "seed": 0}
    short = train_adamw(*train, vectors, wrong, 4, patience=1, **early)
    long = train_adamw(*train, vectors, wrong, 4, patience=100, **early)
    assert short.setting <= long.setting
    assert short.validation_accuracy <= long.validation_accuracy


@pytest.mark.parametrize("train", [train_adamw, train_lbfgs])
def test_separable_classes_are_separated(train):
    data, selection, (vectors, labels) = (
        clusters(1, spread=0.05),
        clusters(2, spread=0.05),
        clusters(3, spread=0.05),
    )
    probe = train(*data, *selection, 4)
    assert (probe.probabilities(vectors).argmax(axis=1) == labels).all()


@pytest.mark.parametrize("train", [train_adamw, train_lbfgs])
def test_the_same_seed_gives_the_same_bytes(train):
    one, other = (train(*clusters(1), *clusters(2), 4) for _ in range(2))
    assert one.weight.tobytes() == other.weight.tobytes()
    assert one.bias.tobytes() == other.bias.tobytes()


@pytest.mark.parametrize("images", [120, 8], ids=["more images than dimensions", "fewer"])
@pytest.mark.parametrize("inverse_penalty", [1.0, 100.0])
def test_lbfgs_equals_scikit_learn(images, inverse_penalty):
    vectors, labels = clusters(1, images=images)
    probe = train_lbfgs(
        vectors,
        labels,
        *clusters(2),
        4,
        inverse_penalties=[inverse_penalty],
        iterations=1000,
        tolerance=1e-6,
    )
    expected = LogisticRegression(C=inverse_penalty, tol=1e-8, max_iter=5000).fit(
        vectors.astype(float), labels
    )
    others = clusters(3)[0]
    np.testing.assert_allclose(
        probe.probabilities(others), expected.predict_proba(others.astype(float)), atol=2e-3
    )


def narrow(seed, images=200, dimension=64, classes=5):
    """Unit vectors as networks give them: nearly all in one direction, what tells classes apart on
    axes of small variance."""
    random = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    spectrum = 0.2 / np.arange(1, dimension + 1) ** 1.5
    signal = np.random.default_rng(99).standard_normal((classes, dimension)) * spectrum[::-1].mean()
    vectors = spectrum * random.standard_normal((images, dimension)) + 0.3 * signal[labels]
    vectors[:, 0] += 1
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("inverse_penalty", [1.0, 1e3, 1e6])
def test_by_default_the_optimum_of_narrow_embeddings_is_reached(inverse_penalty):
    vectors, labels = narrow(1)
    probe = train_lbfgs(vectors, labels, *narrow(2), 5, inverse_penalties=[inverse_penalty])
    exact = vectors.astype(float)
    expected = LogisticRegression(
        C=inverse_penalty, tol=1e-10, max_iter=1000, solver="newton-cholesky"
    )
    expected.fit(exact, labels)

    def loss(weight, bias):
        logits = exact @ weight.astype(float).T + bias
        own = logits[np.arange(len(labels)), labels]
        return (np.logaddexp.reduce(logits, axis=1) - own).sum() + np.square(
            weight
        ).sum() / 2 / inverse_penalty

    assert loss(probe.weight, probe.bias) <= 1.01 * loss(expected.coef_, expected.intercept_)
    others = narrow(3)[0]
    right = (
        probe.probabilities(others).argmax(axis=1) == expected.predict(others.astype(float))
    ).mean()
    assert right >= 0.99


def test_what_a_device_rounds_otherwise_moves_no_prediction():
    vectors, labels = narrow(1)
    noise = 1 + 1e-6 * np.random.default_rng(4).standard_normal(vectors.shape)
    one, other = (
        train_lbfgs(each.astype(np.float32), labels, *narrow(2), 5)
        for each in (vectors, vectors * noise)
    )
    assert one.setting == other.setting
    others = narrow(3)[0]
    assert (
        one.probabilities(others).argmax(axis=1) == other.probabilities(others).argmax(axis=1)
    ).mean() >= 0.99


@pytest.mark.parametrize(("spread", "expected"), [(2.0, 0.0001), (0.05, 10000.0)])
def test_lbfgs_chooses_the_penalty_by_validation_accuracy_then_by_its_loss(spread, expected):
    """Where classes overlap, a strong penalty errs least; where none errs, a weak one is the
    surest."""
    train, (vectors, labels) = (
        clusters(seed, images=80, dimension=20, spread=spread) for seed in (1, 2)
    )
    grid = [0.0001, 1.0, 10000.0]
    probes = [train_lbfgs(*train, vectors, labels, 4, inverse_penalties=[each]) for each in grid]
    probabilities = [each.probabilities(vectors) for each in probes]
    ranks = [
        ((each.argmax(axis=1) == labels).mean(), np.log(each[np.arange(80), labels]).mean())
        for each in probabilities
    ]
    assert [each.validation_accuracy for each in probes] == [
        pytest.approx(accuracy) for accuracy, _ in ranks
    ]
    assert expected == grid[ranks.index(max(ranks))]
    assert train_lbfgs(*train, vectors, labels, 4, inverse_penalties=grid).setting == expected


def test_probabilities_are_a_softmax():
    probe = train_lbfgs(*clusters(1), *clusters(2), 4)
    vectors = clusters(3)[0]
    logits = torch.from_numpy(vectors @ probe.weight.T + probe.bias).double()
    np.testing.assert_allclose(
        probe.probabilities(vectors), torch.softmax(logits, 1).numpy(), atol=1e-12
    )


def test_a_gpu_that_is_not_there():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(InputError, match="torch sees no GPU"):
        train_lbfgs(*clusters(1), *clusters(2), 4, device="cuda")


# --- subsets
# --------------------------------------------------------------------------------------------------------


def test_fractions_are_nested_and_take_whole_patients():
    groups = np.repeat(np.arange(20), 5)
    sizes = []
    for seed in (1, 2):
        small, large = fraction_subset(groups, 0.1, seed), fraction_subset(groups, 0.5, seed)
        assert set(small) < set(large)
        assert all(
            np.isin(np.flatnonzero(groups == each), large).all() for each in set(groups[large])
        )
        sizes.append((len(small), len(large)))
    assert sizes == [(10, 50)] * 2
    assert fraction_subset(groups, 0.11, 1).size == 15  # a patient more rather than too few images
    assert fraction_subset(groups, 1, 1).tolist() == list(range(100))
    assert fraction_subset(groups, 0.1, 1).tolist() != fraction_subset(groups, 0.1, 2).tolist()


def test_shots_are_nested_and_prefer_other_patients():
    labels = np.array([0] * 8 + [1] * 3)
    groups = np.array([0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3])
    for seed in range(20):
        one, three, five = (shots_subset(labels, groups, shots, seed) for shots in (1, 3, 5))
        assert set(one) < set(three) < set(five)
        assert np.bincount(labels[one]).tolist() == [1, 1]
        assert set(groups[three][labels[three] == 0]) == {0, 1, 2}, (
            "three patients have the label: one image each"
        )
        assert np.bincount(labels[five]).tolist() == [5, 3], "a label with three images has no five"


# --- choosing
# -------------------------------------------------------------------------------------------------------


def objective(vectors, labels, weight, bias, inverse_penalty):
    """What scikit-learn's LogisticRegression minimises."""
    logits = vectors.astype(float) @ weight.astype(float).T + bias
    own = logits[np.arange(len(labels)), labels]
    loss = (np.logaddexp.reduce(logits, axis=1) - own).sum()
    return inverse_penalty * loss + np.square(weight.astype(float)).sum() / 2


def uneven(images, dimension, classes):
    """Unit vectors in a narrow cone whose axes vary less and less, in many classes that overlap."""
    random, labels = np.random.default_rng(99), np.arange(images) % classes
    noise = random.standard_normal((images, dimension)) / np.sqrt(np.arange(1, dimension + 1)) / 2
    vectors = 0.15 * random.standard_normal((classes, dimension))[labels] + noise
    vectors[:, 0] += 3
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize(("images", "dimension", "classes"), [(600, 64, 30), (90, 200, 12)])
def test_every_penalty_of_the_grid_reaches_the_optimum_of_scikit_learn(images, dimension, classes):
    """In single precision, or with one tolerance for all, C = 1e6 ends up to 50 % above it."""
    vectors, labels = uneven(images, dimension, classes)
    for inverse_penalty, weight, bias in lbfgs_path(vectors, labels, classes, INVERSE_PENALTIES):
        if inverse_penalty not in (1e2, 1e4, 1e6):
            continue
        expected = LogisticRegression(C=inverse_penalty, tol=1e-8, max_iter=20_000)
        expected.fit(vectors.astype(float), labels)
        best = objective(vectors, labels, expected.coef_, expected.intercept_, inverse_penalty)
        found = objective(vectors, labels, weight.numpy(), bias.numpy(), inverse_penalty)
        assert found <= best * 1.0003, inverse_penalty


def patients_of(labels, each=3):
    """So many patients, each with images of every class."""
    order = np.argsort(labels, kind="stable")
    groups = np.empty(len(labels), dtype=int)
    groups[order] = np.arange(len(labels)) % each
    return groups


def test_folds_have_whole_patients_and_classes_that_train():
    vectors, labels = clusters(1, images=120)
    groups = patients_of(labels, each=12)
    labels = np.where(groups == 11, 4, labels)  # a class of one patient
    folds = patient_folds(vectors, labels, groups)
    row = {each.tobytes(): number for number, each in enumerate(vectors)}
    validated = []
    for fold in folds:
        train, apart = (
            [row[each.tobytes()] for each in part]
            for part in (fold.vectors, fold.validation_vectors)
        )
        assert not set(groups[train]) & set(groups[apart])
        assert set(labels[apart]) == {0, 1, 2, 3}, "stratified; class 4 cannot be right"
        assert (labels[apart] == fold.validation_labels).all()
        validated += apart
    assert len(folds) == 5
    assert sorted(validated) == np.flatnonzero(groups != 11).tolist()


@pytest.mark.parametrize(
    ("patients", "own_class"), [(5, False), (120, True)], ids=["five patients", "a class each"]
)
def test_too_few_patients_choose_nothing(patients, own_class):
    vectors, labels = clusters(1, images=120)
    groups = labels if own_class else np.arange(120) % patients
    assert patient_folds(vectors, labels, groups) == []
    probe = cross_validated_lbfgs(vectors, labels, [], 4)
    assert probe.setting == FIXED_INVERSE_PENALTY
    assert np.isnan(probe.validation_accuracy)
    expected = train_lbfgs(vectors, labels, vectors, labels, 4, inverse_penalties=[100.0])
    others = clusters(3)[0]
    np.testing.assert_allclose(
        probe.probabilities(others), expected.probabilities(others), atol=1e-2
    )


def test_folds_choose_the_penalty_that_scikit_learn_finds_best_on_them():
    vectors, labels = clusters(1, images=160, dimension=20, spread=2.0)
    folds = patient_folds(vectors, labels, patients_of(labels, each=20))
    grid = [1e-2, 1.0, 1e4]
    right = []
    for penalty in grid:
        fitted = [LogisticRegression(C=penalty, max_iter=5000) for _ in folds]
        right.append(
            sum(
                (
                    model.fit(fold.vectors.astype(float), fold.labels).predict(
                        fold.validation_vectors.astype(float)
                    )
                    == fold.validation_labels
                ).sum()
                for model, fold in zip(fitted, folds, strict=True)
            )
        )
    assert len(set(right)) == 3
    probe = cross_validated_lbfgs(vectors, labels, folds, 4, inverse_penalties=grid)
    assert probe.setting == grid[int(np.argmax(right))]
    assert probe.validation_accuracy == pytest.approx(max(right) / 160)
    assert probe.at_edge == (probe.setting in (grid[0], grid[-1]))
    alone = cross_validated_lbfgs(
        vectors, labels, [], 4, fixed=probe.setting, inverse_penalties=grid
    )
    assert alone.weight.tobytes() == probe.weight.tobytes(), "all images train"


def test_adamw_is_trained_where_an_epoch_is_one_step():
    """446 images are one batch: a hundred epochs were a hundred steps, and patience ended them
    before."""
    (vectors, labels), test = narrow(1, images=446, dimension=64), narrow(3)
    probes = [
        train_adamw(vectors, labels, *narrow(2), 5, epochs=100),
        cross_validated_adamw(vectors, labels, [], 5, epochs=100),
    ]
    untrained = train_adamw(vectors, labels, *narrow(2), 5, epochs=20, least_steps=0)
    accuracy = [
        (each.probabilities(test[0]).argmax(axis=1) == test[1]).mean()
        for each in (untrained, *probes)
    ]
    assert min(accuracy[1:]) > accuracy[0] + 0.2, accuracy
    assert probes[1].setting == 1000


# --- who does what
# --------------------------------------------------------------------------------------------------


def experiment(patients=True, shared=False):
    """A catalog of three splits with two labels each, ids and vectors; test has a label that train
    lacks."""
    vectors, labels = clusters(1, images=80, classes=2)
    split = np.repeat(["train", "val", "test"], [40, 20, 20])
    patient = [f"p{each // 4}" for each in range(80)]
    if shared:
        patient[60] = "p0"
    catalog = pd.DataFrame(
        {
            "id": np.arange(100, 180),
            "split": split,
            "label": np.array(["XR/chest/a", "XR/chest/b"])[labels],
            "patient_id": patient if patients else None,
        }
    )
    catalog.loc[79, "label"] = "XR/chest/c"
    return catalog, catalog["id"].to_numpy(), vectors


def test_splits_train_select_and_test():
    data = probing_data(*experiment(), "train", ["val", "test"], "val")
    assert (
        len(data.train),
        len(data.validation),
        {key: len(each) for key, each in data.tested.items()},
    ) == (
        40,
        20,
        {"test": 20},
    )
    assert data.names.tolist() == ["XR/chest/a", "XR/chest/b"]
    assert data.tested["test"].labels[-1] == -1
    assert data.selected_on == "val"


def test_without_a_validation_split_all_of_the_index_trains_and_its_patients_choose():
    data = probing_data(*experiment(), "train", ["test"], None)
    assert (len(data.train), data.validation) == (40, None)
    found = probe_linearly(data, epochs=5, fractions=[1], shots=[1], tries=1)
    assert set(found.metrics["train_images"]) == {40}
    assert set(found.metrics["selected_on"]) == {"cross-validation"}
    assert set(found.metrics["chosen_by"]) == {"cross-validation over 10 patients"}
    shots = found.label_fractions[found.label_fractions["subset"] == "shots"]
    assert set(shots["chosen_by"]) == {"fixed"}, "one image per label chooses nothing"
    assert set(shots["setting"]) == {FIXED_INVERSE_PENALTY}


def test_a_choice_on_too_little_is_marked():
    catalog, ids, vectors = experiment()
    catalog.loc[catalog["split"] == "val", "patient_id"] = "one"
    data = probing_data(catalog, ids, vectors, "train", ["val", "test"], "val")
    metrics = probe_linearly(data, epochs=5, fractions=[1], shots=[], tries=1).metrics
    assert set(metrics["doubt"]) == {"1 patient"}
    card = {"name": "Model", "loader": "timm"}
    [section] = linear_sections(metrics.assign(model="m"), {"m": card})
    text = [each["text"] for each in section["rows"][0]["cells"]]
    assert any("chosen on too little: 1 patient" in each for each in text), text


def test_a_penalty_at_the_end_of_the_grid_is_marked():
    data = probing_data(*experiment(), "train", ["val", "test"], "val")
    metrics = probe_linearly(data, epochs=5, fractions=[1], shots=[], tries=1).metrics
    rows = metrics[metrics["probe"] == "lbfgs"].drop_duplicates("probe").iloc[0]
    assert rows["at_edge"] == (rows["setting"] in (INVERSE_PENALTIES[0], INVERSE_PENALTIES[-1]))
    for at_edge in (True, False):
        marked = metrics.assign(model="m", at_edge=at_edge)
        [section] = linear_sections(marked, {"m": {"name": "Model", "loader": "timm"}})
        text = str([each["text"] for each in section["rows"][0]["cells"]])
        assert ("at the end of what was tried" in text) == at_edge


def test_patients_who_are_asked_for_do_not_train():
    data = probing_data(*experiment(shared=True), "train", ["val", "test"], "val")
    assert len(data.train) == 36  # p0 has four images there


def test_images_without_a_patient_stand_for_themselves():
    data = probing_data(*experiment(patients=False), "train", ["val", "test"], "val")
    assert len(set(data.train.groups)) == 40


def test_images_with_several_labels_do_nothing():
    catalog, ids, vectors = experiment()
    several = catalog["id"].isin([100, 101, 145, 165])
    with_several = probing_data(catalog.assign(label=catalog["label"].mask(several)), ids, vectors, "train", ["val", "test"], "val")  # fmt: skip
    kept = ~several.to_numpy()
    without = probing_data(catalog[kept], ids[kept], vectors[kept], "train", ["val", "test"], "val")
    assert with_several.names.tolist() == without.names.tolist() == ["XR/chest/a", "XR/chest/b"]
    for part in (
        lambda data: data.train,
        lambda data: data.validation,
        lambda data: data.tested["test"],
    ):
        np.testing.assert_array_equal(part(with_several).vectors, part(without).vectors)
        np.testing.assert_array_equal(part(with_several).labels, part(without).labels)


def test_nothing_to_choose_on():
    catalog, ids, vectors = experiment()
    catalog.loc[catalog["split"] == "val", "label"] = "XR/chest/z"
    with pytest.raises(
        InputError, match="no embedded image of 'val' has a label that an image of 'train' has"
    ):
        probing_data(catalog, ids, vectors, "train", ["val", "test"], "val")


def test_nothing_to_train_on():
    catalog, ids, vectors = experiment()
    catalog["patient_id"] = "p1"
    with pytest.raises(InputError, match="every patient there is in a query split, too"):
        probing_data(catalog, ids, vectors, "train", ["test"], None)


def test_tables_hold_every_probe_subset_and_count():
    data = probing_data(*experiment(), "train", ["val", "test"], "val")
    found = probe_linearly(data, epochs=5, fractions=[0.1, 1], shots=[1], tries=2)
    metrics = found.metrics
    assert metrics.groupby("probe").size().tolist() == [9, 9]
    assert set(metrics["queries"]) == {19}
    assert set(metrics["queries_without_relevant"]) == {1}
    whole = found.label_fractions[found.label_fractions["amount"] == 1.0]
    tries = found.label_fractions.groupby(["subset", "amount"])["try"].nunique()
    assert tries.to_dict() == {("fraction", 0.1): 2, ("fraction", 1.0): 1, ("shots", 1.0): 2}
    lbfgs = metrics[metrics["probe"] == "lbfgs"].set_index(["metric", "average"])["value"]
    same = whole[whole["subset"] == "fraction"].set_index(["metric", "average"])["value"]
    pd.testing.assert_series_equal(lbfgs, same)
    again = probe_linearly(data, epochs=5, fractions=[0.1, 1], shots=[1], tries=2)
    for name in ("metrics", "reliability", "label_fractions"):
        assert getattr(found, name).to_csv() == getattr(again, name).to_csv()


def test_spread_over_tries_by_hand():
    rows = [
        ("m", "test", "shots", 1, "accuracy", "micro", each, value)
        for each, value in ((1, 0.2), (2, 0.6))
    ]
    rows.append(("m", "test", "fraction", 1, "accuracy", "micro", 1, 0.9))
    columns = ["model", "query_split", "subset", "amount", "metric", "average", "try", "value"]
    table = spread_over_tries(
        pd.DataFrame(rows, columns=columns).assign(
            train_images=8, train_share=[0.3, 0.5, 1.0], train_classes=2
        )
    )
    shots, whole = table.to_dict("records")
    assert (shots["mean"], shots["lowest"], shots["highest"], shots["tries"]) == (
        pytest.approx(0.4),
        0.2,
        0.6,
        2,
    )
    assert shots["deviation"] == pytest.approx(np.sqrt(0.08))
    assert whole["mean"] == 0.9
    assert np.isnan(whole["deviation"])
    assert (shots["train_share"], whole["train_share"]) == (pytest.approx(0.4), 1)


def test_a_fraction_is_named_for_the_images_that_it_has():
    """Four patients of ten images: 1 % is one of them, which is a quarter; 20 % is the same one."""
    catalog, ids, vectors = experiment()
    catalog.loc[catalog["split"] == "train", "patient_id"] = [f"t{row // 10}" for row in range(40)]
    data = probing_data(catalog, ids, vectors, "train", ["val", "test"], "val")
    fractions = [0.01, 0.2, 0.3, 0.9, 1]
    found = probe_linearly(data, epochs=1, fractions=fractions, shots=[19, 20, 50], tries=2)
    drawn = found.label_fractions.drop_duplicates(["subset", "amount"])
    drawn = drawn.set_index(["subset", "amount"])["train_share"].to_dict()
    assert drawn == {
        ("fraction", 0.2): 0.25,
        ("fraction", 0.3): 0.5,
        ("fraction", 1.0): 1,
        ("shots", 19.0): 0.95,
        ("shots", 50.0): 1,
    }
    spread = spread_over_tries(found.label_fractions.assign(model="m"))
    names = subset_sizes(spread)["name"].tolist()
    assert names == ["25 %", "50 %", "100 %", "19 per label", "50 per label"]
    card = {"name": "Model", "loader": "timm"}
    [section] = label_fraction_sections(spread, {"m": card})
    assert [each["text"] for each in section["heads"]] == ["model", *names]
    ticks = {
        each.get_text()
        for axis in label_fraction_curves(spread, {"m": "Model"}, []).axes
        for each in axis.get_xticklabels()
    }
    assert {"25 %", "50 %", "100 %"} < ticks


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ([36, 34, 39, 37], (100.0, 4)),  # falls by two images and rises again
        ([36, 34, 35, 40], (1.0, 3)),  # two in a row are no better: the last is not tried
        ([36, 36, 36, 40], (1.0, 3)),
        ([36, 37, 38, 39], (1000.0, 4)),
    ],
)
def test_c_rises_until_two_in_a_row_are_no_better(monkeypatch, right, expected):
    right = dict(zip([1.0, 10.0, 100.0, 1000.0], right, strict=True))
    tried = set()

    def path(vectors, labels, classes, grid, **settings):
        for each in grid:
            if settings.get("tolerance"):
                tried.add(each)
            yield each, torch.full((classes, vectors.shape[1]), each), torch.zeros(classes)

    monkeypatch.setattr(selection, "lbfgs_path", path)
    monkeypatch.setattr(
        selection, "validated", lambda weight, *others: (right[float(weight[0, 0])], 1.0, 410)
    )
    vectors, labels = clusters()
    folds = patient_folds(vectors, labels, np.arange(120) // 4)
    found = cross_validated_lbfgs(vectors, labels, folds, 4, inverse_penalties=list(right))
    assert (found.setting, len(tried)) == expected
    tried.clear()
    settings = {"inverse_penalties": list(right), "tolerance": 1e-4}
    found = train_lbfgs(vectors, labels, vectors, labels, 4, **settings)
    assert (found.setting, len(tried)) == expected
