"""`paper.html`: ours beside the paper's, experiment by experiment, and the answers last."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from yt8m.evaluation.comparison.page import signed
from yt8m.pages.page import Column, Section, Tile, count, decimal, page, share, table
from yt8m.paper.answers import HEADS, answer, answers, bucket_name, ends, stated
from yt8m.paper.experiments import Experiment, Paper
from yt8m.paper.figures import figures
from yt8m.paper.judge import FAILS, HOLDS, NOT_RUN, OPEN, STATED

Result = Mapping[str, Any]
SHARES = ("imbalance", "errors")
METHOD = (
    "Every run is trained once with each seed and exported after its last step, so that no validation video had a say "
    "in what is compared. A figure is the mean over the seeds. Its 95 % interval is the mean ± t · √(V + S): V is the "
    "variance for other videos, n / (n − 1) times the sum of the squared mean influences of the videos; S is the "
    "variance for other seeds, that of the seeds over their number; t is Student's quantile with the degrees of "
    "freedom of Welch and Satterthwaite. Differences are taken seed by seed over the same videos. A "
    "difference is better or worse when its interval excludes 0; parts by label frequency, and "
    "causes, are judged together (Bonferroni); experiments are not. As the seeds are in the interval, a verdict is "
    "about two recipes at this scale, not about two models; one seed each could not tell that."
)


def render_page(paper: Paper, results: Mapping[str, Result], videos: Mapping[str, int | None]) -> str:
    """The page of all experiments, with those in their place that were not run."""
    sections = [_overview(paper, results)]
    sections += [_section(paper, experiment, results[name]) for name, experiment in paper.experiments.items()]
    sections += [_how(paper, videos), _answers(paper, results)]
    return page(
        "The paper, run again",
        sections,
        subtitle=f"Scale {paper.scale.name}. {paper.scale.about}",
        tiles=_tiles(results),
        summary=_summary(paper, results),
        simulated=paper.scale.simulate is not None,
        provenance={"Scale": paper.scale.name, "Seeds": ", ".join(map(str, paper.scale.seeds))},
    )


def _tiles(results: Mapping[str, Result]) -> list[Tile]:
    agrees = [result["agrees"] for result in results.values()]
    names = {HOLDS: "Hold", FAILS: "Do not hold", OPEN: "Cannot be told", NOT_RUN: "Not run"}
    return [Tile(name, str(agrees.count(key)), f"of {len(agrees)} experiments") for key, name in names.items()]


def _summary(paper: Paper, results: Mapping[str, Result]) -> list[str]:
    """A line for each kind of answer that there is, with the experiments that got it."""
    lines = []
    for agrees, head in HEADS.items():
        titles = [paper.experiments[name].title for name, result in results.items() if result["agrees"] == agrees]
        if titles:
            lines.append(f"{head}: {'; '.join(titles)}.")
    return lines


def _overview(paper: Paper, results: Mapping[str, Result]) -> Section:
    columns = [
        Column("Experiment", wide=True), Column("Paper"), Column("Ours"), Column("95 % interval"), Column("Verdict"),
        Column("The paper's statement"),
    ]  # fmt: skip
    rows = [row for name, experiment in paper.experiments.items() for row in _rows(experiment, results[name])]
    return Section("Ours beside the paper's", "Differences are in GAP@20.", [table(columns, rows)])


def _rows(experiment: Experiment, result: Result) -> list[list[str]]:
    """The rows of an experiment in the overview: one for each of its figures."""
    if result["verdict"] == NOT_RUN:
        return [[experiment.title, _all_published(experiment), "–", "–", NOT_RUN, "–"]]
    rows = []
    keys = _keys(experiment, result)
    for key in keys:
        published, verdict = experiment.published.get(key), result["verdict"]
        rows.append([
            experiment.title if len(keys) == 1 else f"{experiment.title}: {_key(experiment, key)}",
            "–" if published is None else _value(experiment, key, published),
            _value(experiment, key, result["ours"][key]),
            _interval(experiment, key, result["interval"]),
            str(verdict.get(key, "–") if isinstance(verdict, dict) else verdict),
            result["agrees"] if _is_stated(experiment, key) else "–",
        ])  # fmt: skip
    return rows


def _is_stated(experiment: Experiment, key: str) -> bool:
    """Whether the paper's statement is about a figure."""
    if experiment.kind == "scores":
        return key in experiment.expected
    return experiment.kind != "errors" or key in STATED


def _keys(experiment: Experiment, result: Result) -> list[str]:
    if experiment.kind == "difference":
        return ["difference"]
    if experiment.kind == "curve":
        return ["peak_epoch", "difference"]
    return list(result["ours"])


def _key(experiment: Experiment, key: str) -> str:
    names = {"peak_epoch": "peak", "missed_share": "videos that miss a label", "one_label_share": "of these, one label",
             "four_or_more_share": "of these, four and more"}  # fmt: skip
    if key == "difference":
        return "2.5 epochs to the end" if experiment.kind == "curve" else ""
    return names.get(key, key.replace("_", " "))


def _value(experiment: Experiment, key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " to ".join(f"{end:g}" for end in value)
    if experiment.kind in SHARES:
        return share(value)
    if key == "difference":
        return signed(value)
    return f"{value:g} epochs" if key == "peak_epoch" else decimal(value, 4)


def _interval(experiment: Experiment, key: str, interval: Any) -> str:
    if interval is None:
        return "exact"
    low, high = interval[key] if isinstance(interval, dict) else interval
    if key == "difference":
        return ends([low, high])
    if key == "peak_epoch":
        return f"by seed: {low:g}" if low == high else f"by seed: {low:g} to {high:g}"
    return f"{_value(experiment, key, low)} to {_value(experiment, key, high)}"


def _all_published(experiment: Experiment) -> str:
    parts = [f"{_key(experiment, key)} {_value(experiment, key, value)}" for key, value in experiment.published.items()]
    return ", ".join(part.strip() for part in parts) or "–"


def _section(paper: Paper, experiment: Experiment, result: Result) -> Section:
    if result["verdict"] == NOT_RUN:
        return Section(experiment.title, f"{stated(experiment)} Not run: {result['cause']}.")
    parts = figures(paper, experiment, result)
    parts += [_bucket_table(result)] if result.get("buckets") else []
    parts += [_cause_table(result)] if result.get("causes") else []
    parts += [_size_table(result)] if result.get("models") else []
    return Section(experiment.title, answer(experiment, result).removeprefix(f"{experiment.title}. "), parts)


def _bucket_table(result: Result) -> Markup:
    columns = [Column("Labels"), Column("Before", True), Column("After", True), Column("Difference", True),
               Column("Interval"), Column("Verdict")]  # fmt: skip
    rows = [
        [bucket_name(row), decimal(row["a"], 4), decimal(row["b"], 4), signed(row["difference"], 4),
         ends(row["interval"], 4), row["verdict"]] for row in result["buckets"]
    ]  # fmt: skip
    return table(columns, rows, caption="GAP of the labels of each bucket alone, rare ones last; judged together")


def _cause_table(result: Result) -> Markup:
    if "difference" not in result["causes"][0]:
        columns = [Column("Why labels are missed", wide=True), Column("Missed labels", True), Column("95 % interval")]
        rows = [
            [row["cause"], count(row["value"]), f"{count(max(0, row['interval'][0]))} to {count(row['interval'][1])}"]
            for row in result["causes"]
        ]
        return table(columns, rows)
    columns = [Column("Why labels are missed", wide=True), Column("Before", True), Column("After", True),
               Column("Difference", True), Column("Interval"), Column("Verdict")]  # fmt: skip
    rows = [
        [row["cause"], count(row["a"]), count(row["b"]), signed(row["difference"], 1), ends(row["interval"], 1),
         row["verdict"]] for row in result["causes"]
    ]  # fmt: skip
    return table(
        columns, rows, caption="Missed labels by cause (fewer is better), a mean over the seeds; judged together"
    )


def _size_table(result: Result) -> Markup:
    columns = [Column("Model"), Column("Parameters here", True), Column("MB here", True)]
    full = result["full_sizes"]
    if full:
        columns += [Column("Parameters, full size", True), Column("MB in float32", True), Column("MB in float16", True),
                    Column("Below 2^30 bytes")]  # fmt: skip
    rows = []
    for name, size in result["models"].items():
        row = [name, count(size["parameters"]), decimal(size["bytes"] / 1e6, 1)]
        if full and name in full:
            limits = [dtype for dtype, fits in full[name]["under_limit"].items() if fits]
            megabytes = full[name]["megabytes"]
            row += [count(full[name]["parameters"]), decimal(megabytes["float32"], 1), decimal(megabytes["float16"], 1),
                    " and ".join(limits) or "neither"]  # fmt: skip
        else:
            row += ["–"] * (len(columns) - 3)
        rows.append(row)
    return table(
        columns, rows, caption="Sizes of the models that were run here" + (", and of the paper's" if full else "")
    )


def _how(paper: Paper, videos: Mapping[str, int | None]) -> Section:
    held = ", ".join(
        f"{count(number)} videos to {'train' if name == 'train' else 'validate'}"
        for name, number in videos.items() if number
    )  # fmt: skip
    lead = f"{paper.scale.about} {held and held + '. '}{METHOD}"
    return Section("How it was run", lead, [_run_table(paper), _model_table(paper)])


def _run_table(paper: Paper) -> Markup:
    columns = [Column("Run", wide=True), Column("Model"), Column("Recipe of the training set"), Column("Schedule"),
               Column("Epochs", True)]  # fmt: skip
    rows = [
        [run.title, run.model, run.recipe, run.schedule, f"{paper.preset_of(run)[1]['epochs']:g}"]
        for run in paper.runs.values()
    ]
    return table(columns, rows, caption="The runs, each with every seed")


def _model_table(paper: Paper) -> Markup:
    columns = [Column("Model"), Column("Preset"), Column("Set over the preset", wide=True)]
    models = {run.model: paper.preset_of(run) for run in reversed(paper.runs.values())}
    rows = [[name, *models[name][:1], _settings(models[name][1])] for name in paper.scale.models if name in models]
    return table(columns, rows, caption="The models")


def _settings(settings: Mapping[str, Any]) -> str:
    shown = {key: value for key, value in settings.items() if key not in ("schedule", "epochs", "validate_every")}
    return ", ".join(f"{key}={value}".replace("'", "") for key, value in shown.items()) or "–"


def _answers(paper: Paper, results: Mapping[str, Result]) -> Section:
    parts = []
    for agrees, sentences in answers(paper.experiments, results).items():
        if sentences:
            items = Markup("").join(Markup("<li>{}</li>").format(sentence) for sentence in sentences)
            parts.append(Markup("<h3>{}</h3><ul>{}</ul>").format(escape(HEADS[agrees]), items))
    return Section("Answers", "Each sentence is written by rule from the figures above.", parts)
