# Which files a query of the user's own images reads, and its settings.

ASKED = [project.query["name"]] if project.query else []
ASKED_UNITS = ASKED if project.query and project.query["experiment"] in project.of_units else []
ASKED_IMAGES = [each for each in ASKED if each not in ASKED_UNITS]

# What is searched for: the vectors of the query images, or those of the units that they make.
QUERY_SEARCHED = layout.QUERY_UNIT_VECTORS if ASKED_UNITS else layout.QUERY_VECTORS


def query_setting(key):
    return lambda wildcards: project.query[key]


def query_experiment(key):
    """A setting of the experiment that is queried."""
    return lambda wildcards: project.experiments[project.query["experiment"]][key]


def query_targets(wildcards):
    """The files of the target `query`; an error that says what is missing without `query:`."""
    return targets.query(project)


def query_listing(wildcards):
    """A digest that changes when query images are added, removed or replaced."""
    unit = query_experiment("unit")(wildcards)
    return image_list.listing_digest(image_list.find_queries(project.query["images"], unit))


def query_cut(wildcards):
    """How volumes and files of several frames are cut: as the first dataset of the experiment that
    `prepare: folder` cuts, else every axial slice and every frame. Where units are searched for, also
    which slices of a DICOM series are taken: as in the first dataset that is made of such files."""
    found = [project.datasets[each] for each in query_experiment("datasets")(wildcards)]
    options = [each.get("prepare", {}) for each in found]
    every = {"planes": ["axial"], "step": 1, "trim": 0}
    cut = next(({key: each[key] for key in every} for each in options if "planes" in each), every)
    if not ASKED_UNITS:
        return cut
    wanted = ("leave_out", "step", "trim")
    of_dicom = ({key: each[key] for key in wanted} for each in options if "leave_out" in each)
    return cut | {"dicom": next(of_dicom, None)}


def query_members(wildcards):
    """The members' vectors of the query images, of a fusion."""
    members = project.meanings[wildcards.model]["of"]
    return [filled(layout.QUERY_VECTORS, wildcards, model=each) for each in members]


def query_base(wildcards):
    """The vectors that are searched for by the model that an adapted one is made from."""
    return filled(QUERY_SEARCHED, wildcards, model=project.base(wildcards.model))


def query_models_with_slices(wildcards):
    """The models of the query whose units are made from images."""
    return list(image_models.with_slices(project, project.query["models"]))


def query_slices(wildcards):
    """The vectors of the query images that each model's units are made from."""
    own = image_models.with_slices(project, project.query["models"])
    return [filled(layout.QUERY_VECTORS, wildcards, model=each) for each in own.values()]


def query_index_slices(wildcards):
    """The vectors of the images that each model's units of the experiment are made from, model by
    model, once the experiment may be searched."""
    checkpoints.admitted.get(experiment=project.query["experiment"])
    own = image_models.with_slices(project, project.query["models"])
    datasets = query_experiment("datasets")(wildcards)
    return [
        layout.EMBEDDINGS.format(model=model, dataset=dataset)
        for model in own.values()
        for dataset in datasets
    ]


def query_unit_images(wildcards):
    return layout.UNIT_IMAGES.format(experiment=project.query["experiment"])


def query_adaptation(wildcards):
    """The map that an adapted model has in the experiment that is queried, once that may be
    searched."""
    checkpoints.admitted.get(experiment=project.query["experiment"])
    return filled(layout.ADAPTATION, wildcards, experiment=project.query["experiment"])


def query_pool(wildcards):
    return layout.POOL.format(experiment=project.query["experiment"])


def query_index(wildcards):
    """The index that a model's query is searched in."""
    experiment = project.query["experiment"]
    split = project.experiments[experiment]["index_split"]
    return filled(layout.INDEX, wildcards, experiment=experiment, split=split)


def query_index_images(wildcards):
    return split_list(project.query["experiment"], query_experiment("index_split")(wildcards))


def query_index_embeddings(wildcards):
    """The vectors of the index, where the index file has none, or has them in another order."""
    if query_experiment("index")(wildcards)["type"] == "flat" and not fused_search(wildcards):
        return []
    return experiment_embeddings_by([wildcards.model], project.query["experiment"])


def query_index_searching(wildcards):
    return index_settings.searching(query_experiment("index")(wildcards))


def of_query_models(pattern):
    """A file of each model of the query."""
    return of_models(pattern, query_setting("models"))


def query_fitted_chances(wildcards):
    """The fits of the models, which say how sure hits are. Nothing where there are none."""
    experiment = project.query["experiment"]
    pattern = layout.FITTED_CHANCE.replace("{experiment}", experiment)
    return of_query_models(pattern)(wildcards) if has_analysis(experiment, "confidence") else []


def query_model_names(wildcards):
    """Slug -> name of the models of the query."""
    return {model: project.cards[model]["name"] for model in project.query["models"]}


def query_score_notes(wildcards):
    """Slug -> what the scores are, for models whose scores are not cosine similarities."""
    notes = {"score": "mean z-scores", "reciprocal_rank": "sums of 1 / (60 + rank)"}
    by = {each: project.cards[each].get("fusion", {}).get("by") for each in project.query["models"]}
    return {model: notes[each] for model, each in by.items() if each in notes}


def query_image_roots(wildcards):
    """Image root per dataset of the experiment that is queried, as JSON."""
    datasets = query_experiment("datasets")(wildcards)
    return json.dumps({each: project.datasets[each].get("images") for each in datasets})


def query_intensities(wildcards):
    datasets = query_experiment("datasets")(wildcards)
    return {each: project.datasets[each]["intensity"] for each in datasets}
