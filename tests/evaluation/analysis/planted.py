"""Predictions for real label lists with faults planted in them, each by what its cause means in plain words."""

from collections import Counter
from pathlib import Path

import numpy as np

from tests.real_labels import read_lists
from yt8m.prediction.table import Predictions
from yt8m.vocabulary import read_vocabulary

VOCABULARY = Path(__file__).parents[3] / "sample" / "vocabulary.csv"
CLASSES = 3862
RARE = 20
FAR = (51, 3000)


class Planter:
    """Real videos to train on and to evaluate, and a model that finds every label except where a fault is planted."""

    def __init__(self, training: int = 60_000, evaluated: int = 4_000, seed: int = 0):
        self.random = np.random.default_rng(seed)
        lists, videos = read_lists()
        drawn = self.random.choice(len(lists), training + evaluated, p=videos / videos.sum())
        self.training = [lists[i] for i in drawn[:training]]
        self.lists = [lists[i] for i in drawn[training:] if len(lists[i]) < 15]
        self.verticals = read_vocabulary(VOCABULARY).verticals
        self.counts = Counter(label for labels in self.training for label in labels.tolist())
        self.usual = self._usual_companions()

    def _usual_companions(self) -> dict[int, list[int]]:
        """For each label those that come with at least 70 % of its videos, of labels on 50 videos and more."""
        together = Counter(
            (one, other) for labels in self.training for one in labels.tolist() for other in labels.tolist()
        )
        usual: dict[int, list[int]] = {}
        for (one, other), videos in together.items():
            if one != other and self.counts[one] >= 50 and videos >= 0.7 * self.counts[one]:
                usual.setdefault(one, []).append(other)
        return usual

    def draw(self, share_missed: float, shares: dict[str, float]) -> tuple[Predictions, list[str]]:
        """Predictions, and the planted cause of each missed label in their order; a video gets one fault at most."""
        drawn = self.random.choice([*shares], len(self.lists), p=[*shares.values()])
        self.random.shuffle(self.lists)
        rows, planted = [], []
        for labels, cause in zip(self.lists, drawn, strict=True):
            faulty = self.random.random() < share_missed
            fault = getattr(self, f"_{cause}")(labels.tolist()) if faulty else None
            if fault:
                planted.append(str(cause))
            rows.append(fault or self._answer(labels.tolist(), None))
        return self._predictions(rows), planted

    def _answer(self, true, missed, rank=None, said=(), sure=True):
        """One video: true labels, the missed one and its rank, and the confident wrong ones {label: confidence}."""
        scale = 1.0 if sure else 0.15
        found = [label for label in true if label != missed]
        answers = {label: scale * self.random.uniform(0.55, 0.98) for label in found} | dict(said)
        for label in self.random.permutation(CLASSES).tolist():
            if len(answers) == 20:
                break
            if label not in answers and label != missed:
                answers[label] = 0.04 * self.random.random()
        top = sorted(answers, key=lambda label: -answers[label])
        ranks = [rank if label == missed else top.index(label) + 1 for label in true]
        confidences = [0.0 if label == missed else answers[label] for label in true]
        return true, ranks, confidences, top, [answers[label] for label in top]

    def _one_of(self, labels, rare):
        """A label to miss, rare or not, or None."""
        fit = [label for label in labels if (self.counts[label] < RARE) == rare]
        return int(self.random.choice(fit)) if fit else None

    def _far(self):
        return int(self.random.integers(*FAR))

    def _crowded_out(self, true):
        missed = self._one_of(true, rare=False)
        return missed and self._answer(true, missed, int(self.random.integers(21, 51)), self._some_signal(true, missed))

    def _few_examples(self, true):
        missed = self._one_of(true, rare=True)
        return missed and self._answer(true, missed, self._far(), self._some_signal(true, missed))

    def _no_signal(self, true):
        missed = self._one_of(true, rare=False)
        return missed and self._answer(true, missed, self._far(), sure=False)

    def priors_alone(self, noise: float = 0.1) -> Predictions:
        """A model that sees nothing: of each video it says the labels' shares of the training videos, about."""
        priors = np.bincount(np.concatenate(self.training), minlength=CLASSES) / len(self.training)
        rows = []
        for labels in self.lists[:2000]:
            said = priors * np.exp(noise * self.random.standard_normal(CLASSES))
            order = np.argsort(-said, kind="stable")
            ranks = np.empty(CLASSES, np.int64)
            ranks[order] = np.arange(1, CLASSES + 1)
            rows.append((labels.tolist(), ranks[labels], said[labels], order[:20], said[order[:20]]))
        return self._predictions(rows)

    def _confused(self, true):
        """Another label of the same vertical, in the place of the missed one."""
        missed = self._one_of(true, rare=False)
        if not missed or not self.verticals[missed]:
            return None
        same = [i for i in range(CLASSES) if self.verticals[i] == self.verticals[missed] and i not in true]
        rival = int(self.random.choice(same))
        return self._answer(true, missed, self._far(), {rival: self.random.uniform(0.25, 0.95)})

    def _annotation_gap(self, true):
        """The annotation loses a label whose usual companion stays, the model says it, and another label is missed."""
        usual = [one for one in true if set(self.usual.get(one, ())) & set(true)]
        if not usual:
            return None
        lost = int(self.random.choice(usual))
        companions = set(self.usual[lost]) & set(true)
        left = [label for label in true if label != lost]
        others = [label for label in left if label not in companions or len(companions) > 1]
        missed = self._one_of(others, rare=False)
        return missed and self._answer(left, missed, self._far(), {lost: self.random.uniform(0.55, 0.95)})

    def _other(self, true):
        missed = self._one_of(true, rare=False)
        return missed and self._answer(true, missed, self._far(), self._some_signal(true, missed))

    def _some_signal(self, true, missed):
        """A confident wrong label that has nothing to do with the missed one, for videos without another true label."""
        if len(true) > 1:
            return {}
        others = [i for i in range(CLASSES) if i not in true and self.verticals[i] != self.verticals[missed]]
        return {int(self.random.choice(others)): self.random.uniform(0.25, 0.45)}

    @staticmethod
    def _predictions(rows):
        true, ranks, confidences, top, answers = zip(*rows, strict=True)
        return Predictions(
            video_ids=np.array([b"%05d" % i for i in range(len(rows))]),
            labels=np.concatenate(true).astype(np.int32),
            label_ranks=np.concatenate(ranks).astype(np.int32),
            label_confidences=np.concatenate(confidences).astype(np.float32),
            bounds=np.concatenate(([0], np.cumsum([len(labels) for labels in true]))),
            top_labels=np.array(top, np.int32),
            top_confidences=np.array(answers, np.float32),
            metadata={"num_classes": CLASSES, "simulated": False, "models": []},
        )
