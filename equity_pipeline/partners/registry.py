"""Read and check `partners/<partner_id>.yml`. A wrong key, format or claim is an error that names the line."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import PartnerFileError
from equity_pipeline.domain.identifiers import check_partner_id
from equity_pipeline.storage.home import Home

Format = Literal[
    "canonical", "delimited", "oneroster", "edfi", "college_board_ap", "ib", "survey", "aggregate"
]
SchoolYear = Annotated[
    int,
    BeforeValidator(
        school_years.parse, json_schema_input_type=Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]
    ),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Program(_Strict):
    """One programme in one school year, for the whole partner or one school. History is never overwritten."""

    school_year: SchoolYear
    program: Literal[
        "action_for_equity", "tools_package", "equity_leader_lab", "opportunity_accelerator",
        "equity_communities_of_practice", "equity_implemented_partnership",
    ]  # fmt: skip
    phase: Literal["access", "success", "extend", "sustain"] | None = None
    school_id: str | None = None


class Privacy(_Strict):
    """`minimum_cell`: the smallest count of students that may be shown. 10 is the mode of 39 states (NCES 2011-603).
    `public_enrollment`: dimensions of which anyone can read elsewhere how many students each group has, by school and in the
    district; `all_students` alone if only their total is. The proof then holds for who has read that, too."""

    minimum_cell: int = Field(default=10, ge=5)
    public_enrollment: tuple[str, ...] = ()


class Goal(_Strict):
    """A gap to reach by a school year, in rate units: -0.02 is two percentage points behind the reference."""

    metric_id: str
    dimension: str
    subgroup: str
    school_year: SchoolYear
    gap: float
    school_id: str = "_all"
    reference: Literal["rest", "overall", "highest", "designated"] = "designated"


class CourseDecision(_Strict):
    """What a person decided a course to be; it outranks every rule, SCED included.

    `level` is a row of the seed `course_classes`. Without `school_id` it holds at every school that has no decision of
    its own, without `from` in every school year.
    """

    course_id: str
    level: Literal[
        "ap", "ib", "ib_core", "ib_myp", "ib_pyp", "ib_cp", "aice", "dual_enrollment", "honors", "other"
    ]  # fmt: skip
    school_id: str | None = None
    from_school_year: SchoolYear | None = Field(default=None, alias="from")


class Source(_Strict):
    """One kind of file that a partner sends and how to read it.

    `columns` maps a canonical column to the delivered header, or to a list of headers it has had over time;
    `values` maps delivered codes of a canonical column to canonical values; `constants` fills canonical columns
    that the file does not hold; `computed` fills one from delivered columns by a small SQL expression, and `where` is
    one that is true of the records to take; `extract` names the extract for formats that do not imply one.
    """

    name: str
    format: Format
    files: list[str] = Field(min_length=1)
    extract: str | None = None
    columns: dict[str, str | list[str]] = {}
    values: dict[str, dict[str, str]] = {}
    constants: dict[str, str] = {}
    computed: dict[str, str] = {}
    where: str | None = None
    options: dict[str, Any] = {}


class AcceptedFile(_Strict):
    """A delivered file that may replace one with many more rows, and why a person says so."""

    file: str
    because: str = Field(min_length=3)


class AcceptedDrift(_Strict):
    """A group of a school, or of all (`_all`), that did all but vanish since the year before, and why."""

    school_year: SchoolYear
    dimension: Literal["economically_disadvantaged", "english_learner"]
    school_id: str = "_all"
    because: str = Field(min_length=3)


class Rekey(_Strict):
    """All rows of the files that match `file` belong to this school year, whatever they say, and why."""

    file: str
    school_year: SchoolYear
    because: str = Field(min_length=3)


class Retention(_Strict):
    """How many school years a partner's records are kept, the current one included; all where it is not said."""

    school_years: int | None = Field(default=None, ge=1)

    def first_kept(self, today: dt.date) -> int:
        """The earliest school year that is kept; 0 where all are."""
        return school_years.of_date(today) - self.school_years + 1 if self.school_years else 0


class Partner(_Strict):
    """A partner as its file describes it."""

    partner_id: Annotated[str, AfterValidator(check_partner_id)]
    name: str
    state: str = Field(pattern=r"^[A-Z]{2}$")
    timezone: str
    first_school_year: SchoolYear
    programs: list[Program] = []
    privacy: Privacy = Privacy()
    expected: dict[str, Annotated[str, Field(pattern=r"^\d{2}-\d{2}$")]] = {}
    sources: list[Source] = Field(min_length=1)
    goals: list[Goal] = []
    accepted_files: list[AcceptedFile] = []
    accepted_drift: list[AcceptedDrift] = []
    rekey: list[Rekey] = []
    retention: Retention = Retention()
    courses: list[CourseDecision] = []

    @model_validator(mode="after")
    def _decided_once(self) -> Partner:
        decided = [(row.course_id, row.school_id, row.from_school_year) for row in self.courses]
        if repeated := {row[0] for row in decided if decided.count(row) > 1}:
            raise ValueError(
                f"courses {sorted(repeated)} are decided twice for the same school and year: keep one"
            )
        return self

    @model_validator(mode="after")
    def _unique_sources(self) -> Partner:
        names = [source.name for source in self.sources]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two sources are called {sorted(repeated)}: give each its own name")
        return self


class _TextLoader(yaml.SafeLoader):
    """YAML whose every scalar stays the text that the person wrote: `yes`, `0042` and `2023-24` are codes, and the
    models below say which of them are numbers."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping that names each key once: of two, YAML would take the last without a word.

        Raises:
            ConstructorError: a key stands there twice; with its line.
        """
        named: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in named:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value!r} stands here a second time; join the two", key.start_mark
                    )
                named.add(key.value)
        return super().construct_mapping(node, deep)


_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag.rsplit(":", 1)[-1] in {"null", "merge"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_TextLoader.yaml_constructors = {
    tag: constructor
    for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.rsplit(":", 1)[-1] in {"null", "str", "seq", "map"}
}  # a tag that somebody wrote is refused


def load(path: Path) -> Partner:
    """Read one partner file.

    Raises:
        PartnerFileError: unreadable or invalid; the message names file, line, key and what is expected.
    """
    try:
        return _parsed(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise PartnerFileError(f"{path}: can't be read ({error.__class__.__name__})") from error


@functools.lru_cache(maxsize=10_000)
def _parsed(path: Path, text: str) -> Partner:
    """Parsing takes 30 ms, and every run asks for every partner."""
    try:
        data = yaml.load(text, Loader=_TextLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise PartnerFileError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', error)}") from error
    if not isinstance(data, dict):
        raise PartnerFileError(f"{path}, line 1: a partner file is a mapping that starts with `partner_id:`")
    try:
        partner = Partner.model_validate(data)
    except ValidationError as error:
        node = yaml.compose(text, Loader=_TextLoader)
        problems = [
            f"{path}, line {_line_of(node, issue['loc'])}: {'.'.join(map(str, issue['loc'])) or 'file'}: {issue['msg']}"
            for issue in error.errors()
        ]
        raise PartnerFileError("\n".join(problems)) from error
    if partner.partner_id != path.stem:
        raise PartnerFileError(
            f"{path}: partner_id is {partner.partner_id!r}, the file must be {partner.partner_id}.yml"
        )
    return partner


def load_valid(home: Home) -> tuple[dict[str, Partner], list[str]]:
    """The partners of a home by id, in order, and what is wrong with the files of the others: one bad file must not
    hold the other partners up."""
    partners, problems = {}, []
    for path in sorted(home.partners.glob("*.yml")):
        try:
            partners[path.stem] = load(path)
        except PartnerFileError as error:
            problems.append(str(error))
    return partners, problems


def load_all(home: Home) -> dict[str, Partner]:
    """All partners of a home by id, in order.

    Raises:
        PartnerFileError: any file is invalid; all problems of all files are listed.
    """
    partners, problems = load_valid(home)
    if problems:
        raise PartnerFileError("\n".join(problems))
    return partners


def _line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """The line of the deepest key of a pydantic error location that stands in the file."""
    line = 1
    for step in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line
