"""What was asked, what was answered, and how old that is; no widgets.

Of browse requests and of explain requests only the one sent last is listened to.
"""

from dataclasses import replace

from core.messages import (
    BrowsePictures,
    Explain,
    Explanation,
    Failed,
    OwnPicture,
    PicturePage,
    RunStarted,
    TrainingSlice,
    next_id,
)
from core.methods import METHODS
from core.settings import DATASETS

LANES = "lanes"  # the source that is no reference
Strengths = tuple[float, ...]


class PictureState:
    """The panel's side of the conversation with the engine."""

    def __init__(self) -> None:
        self.run: RunStarted | None = None
        self.step: int | None = None  # that the lanes have come to
        self.chosen: int | OwnPicture | None = None
        self.browse: BrowsePictures | None = None  # waiting for its page
        self.explain: Explain | None = None  # waiting for its whole answer
        self.explanation: Explanation | None = None
        self.explained: Explain | None = None  # what `explanation` answers
        self.page_step: int | None = None  # of the predictions that came last
        self.evaluated: int | None = None  # step at which the lanes last predicted
        self._newest_page = 0  # id of the browse request sent last
        self._strengths: tuple[Strengths, ...] = ()
        self._branches: tuple[Strengths, ...] = ()
        self._asked_branches: tuple[Strengths, ...] = ()  # when it was asked …
        self._explained_branches: tuple[Strengths, ...] = ()  # … what `explanation` answers
        self._is_resumed = False
        self._followed: object = None  # strengths the maps were asked for unasked
        self._known: dict[str, tuple[tuple[str, int], ...]] = {}  # networks of a source, with their blocks

    # ---- the run --------------------------------------------------------------------------

    def start(self, run: RunStarted) -> bool:
        """Begin a new run; return whether its held-out pictures are the same as before."""
        before = self.run
        same = before is not None and _pictures_of(before) == _pictures_of(run)
        self.run, self.step, self.page_step, self.evaluated = run, run.done, None, None
        self._strengths = tuple(lane.shortcuts for lane in run.settings.lanes)
        self._branches = tuple(lane.branches for lane in run.settings.lanes)
        self._is_resumed = run.done > run.begins_at  # what is in force now, its settings do not say
        self._followed = None
        self._known[LANES] = tuple((lane.name, len(lane.shortcuts)) for lane in run.settings.lanes)
        self.browse = self.explain = None
        self._newest_page = 0
        if isinstance(self.chosen, int) and not same:
            self.chosen = None
        self.forget_answer()
        return same

    def mark_strengths(self, lane: int, shortcuts: Strengths | None, branches: Strengths | None) -> None:
        """Note strengths that are in force though no step was trained under them yet; None: as they were."""
        self._strengths = _with(self._strengths, lane, shortcuts)
        self._branches = _with(self._branches, lane, branches)

    def take_slice(self, event: TrainingSlice) -> bool:
        """Keep step and strengths; return whether that makes what is shown older."""
        self.step = event.first_step + event.steps - 1
        self._strengths = tuple(lane.shortcuts for lane in event.lanes)
        self._branches = tuple(lane.branches for lane in event.lanes)
        self._is_resumed = False
        return self.page_step is not None or self.explanation is not None

    @property
    def lane_names(self) -> tuple[str, ...]:
        """The lanes' names."""
        return () if self.run is None else tuple(lane.name for lane in self.run.lanes)

    def networks(self, source: str) -> tuple[tuple[str, int], ...]:
        """Return what is known of a source's networks: names, and how many blocks each has."""
        return self._known.get(source, ())

    @property
    def class_names(self) -> tuple[str, ...]:
        """The data set's classes."""
        return () if self.run is None else self.run.class_names

    # ---- asking ---------------------------------------------------------------------------

    def ask_page(self, request: BrowsePictures) -> BrowsePictures:
        """Note the page that is waited for."""
        self.browse, self._newest_page = request, request.id
        return request

    def drop_page(self) -> None:
        """Wait for no page: none can be asked for."""
        self.browse, self._newest_page = None, 0

    def ask(self, request: Explain) -> Explain:
        """Note the explanation that is waited for."""
        self.explain, self._asked_branches = request, self._branches
        return request

    def asked_by_hand(self) -> bool:
        """Whether a person waits for an explanation."""
        return self.explain is not None and not self.explain.automatic

    def again(self) -> Explain | None:
        """Return the request that refreshes what is shown, if the lanes' weights have changed since."""
        if self.explain is not None or self.explained is None or self.explanation is None:
            return None
        moved = self.step is not None and self.step > (self.explanation.step or 0)
        if self.explained.source != LANES or not (moved or self.toggled()):
            return None
        return self.ask(replace(self.explained, automatic=True, id=next_id()))

    def follow(self) -> Explain | None:
        """Return the request that makes the maps those of the shortcuts in force, once for each change.

        A slow one that is under way for shortcuts that have changed again gives way to it.
        """
        waiting = self.explain
        if waiting is not None and (not waiting.automatic or one_pass(waiting)):
            return None  # its answer comes first, and may have them already
        if self.explained is None or self.explained.source != LANES or not self.toggled():
            return None
        if self._followed == (self._strengths, self._branches):
            return None
        self._followed = self._strengths, self._branches
        return self.ask(replace(self.explained, automatic=True, id=next_id()))

    def coarse(self) -> bool:
        """Whether what is shown is about to be refined."""
        answer, asked = self.explanation, self.explain
        return answer is not None and asked is not None and not answer.done and answer.request == asked.id

    def toggled(self) -> bool:
        """Whether the lanes' strengths are no longer those of the explanation.

        With all shortcuts on, or all cut, a map is the same whatever shortcuts the lane has.
        """
        if self.explanation is None or self.explanation.step is None:
            return False
        if self.branches_changed():
            return True
        if self.explanation.arrangement == "switch":
            return False
        now = dict(zip(self.lane_names, self._strengths, strict=False))
        return any(now.get(each.name, each.shortcuts) != each.shortcuts for each in self.explanation.networks)

    def branches_changed(self) -> bool:
        """Whether a lane's branch strengths are no longer those of when the explanation was asked for."""
        asked = self.explained
        return asked is not None and asked.source == LANES and self._explained_branches != self._branches

    # ---- answers --------------------------------------------------------------------------

    def take_page(self, page: PicturePage) -> bool:
        """Return whether this page answers the newest request.

        It may come twice: without predictions, and again once a reference has made them.
        """
        if page.request != self._newest_page:
            return False
        self.browse = None
        self.page_step = page.step
        return True

    def take_answer(self, answer: Explanation) -> bool:
        """Keep an explanation if it is the one that is waited for; after a coarse one a finer will follow."""
        if self.explain is None or answer.request != self.explain.id:
            return False
        self.explanation, self.explained = answer, self.explain
        self._explained_branches = self._asked_branches
        if self._is_resumed and self.explain.source == LANES and answer.arrangement != "switch":
            said = {each.name: each.shortcuts for each in answer.networks}
            known = zip(self.lane_names, self._strengths, strict=True)
            self._strengths, self._is_resumed = tuple(said.get(name, old) for name, old in known), False
        if answer.done:
            if self.explain.source != LANES:
                found = {each.name: len(each.shortcuts) for each in answer.networks}
                self._known[self.explain.source] = tuple(found.items())
            self.explain = None
            if not self.toggled():
                self._followed = None  # the next change is another one
        return True

    def fail(self, event: Failed) -> bool:
        """Stop waiting for what could not be done; return whether it was waited for."""
        if self.browse is not None and event.request == self.browse.id:
            self.browse = None
            return True
        if self.explain is not None and event.request == self.explain.id:
            self.explain = None
            return True
        return False

    def forget_answer(self) -> None:
        """Forget the explanation: another picture, source or run."""
        self.explanation = self.explained = None


def _pictures_of(run: RunStarted) -> object:
    """What the held-out pictures depend on; a folder is split by seed."""
    wanted = run.settings
    seed = None if wanted.dataset in DATASETS else wanted.seed
    return wanted.dataset, wanted.image_size, run.held_out, seed


def _with(strengths: tuple[Strengths, ...], lane: int, given: Strengths | None) -> tuple[Strengths, ...]:
    return tuple(given if given and number == lane else old for number, old in enumerate(strengths))


def one_pass(request: Explain) -> bool:
    """Whether every map that is asked for costs no more than about one training step."""
    names = request.methods if request.arrangement == "methods" else (request.method,)
    return all(METHODS[name].one_pass for name in names)
