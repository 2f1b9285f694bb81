"""OneRoster: a district of three schools and seven users, written by hand, with known truth."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import polars as pl
import pytest

from equity_pipeline.adapters import oneroster
from equity_pipeline.adapters.base import REJECT, Mapped
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Partner, Source

SET = {
    "manifest": "propertyName,value\noneroster.version,1.1\nfile.users,bulk\n",
    "academicSessions": (
        "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear\n"
        "Y,active,2025-09-30T00:00:00.000Z,2025-26,SchoolYear,2025-08-11,2026-06-05,,2026\n"
        "S1,active,2025-09-30T00:00:00.000Z,Fall,semester,2025-08-11,2025-12-19,Y,2026\n"
        "S2,active,2025-10-02T07:00:00.000Z,Spring,semester,2026-01-05,2026-06-05,Y,2026\n"
    ),
    "orgs": (
        "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n"
        "D,active,,District,district,1000,\n"
        "H,active,,High,school,1001,D\n"
        "N,active,,North,school,1002,D\n"
        "X,tobedeleted,,Closed,school,1003,D\n"
    ),
    "users": (
        "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,identifier,grades,password,metadata.el\n"
        "a,active,,true,H,student,u1,S-1,10,x,Y\n"
        "b,active,,true,\"N,H\",student,u2,S-2,11,x,N\n"
        "c,active,,true,N,student,u3,S-3,12,x,\n"
        "d,active,,true,D,student,u4,S-4,9,x,N\n"
        "e,tobedeleted,,true,H,student,u5,S-5,09,x,N\n"
        "t,active,,true,H,teacher,u6,T-1,,x,\n"
        "p,active,,true,D,administrator,u7,T-2,,x,\n"
    ),
    "courses": (
        "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes\n"
        "C1,active,,Y,AP Biology,BIO-AP,,D,Science,03056\n"
        "C2,active,,Y,Art,,,D,Art,0503000\n"
        "C3,active,,Z,Lost,LOST,,D,,\n"
        "C4,tobedeleted,,Y,Gone,GONE,,D,,\n"
    ),
    "classes": (
        "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,"
        "termSourcedIds,subjects,subjectCodes,periods\n"
        "K1,active,,Bio,,C1,,scheduled,,H,\"S1,S2\",,,\n"
        "K2,active,,Art,,C2,,scheduled,,N,S2,,,\n"
        "K3,active,,Lost,,C9,,scheduled,,N,S2,,,\n"
    ),
    "enrollments": (
        "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
        "1,active,,K1,H,a,student,,2025-08-11,2026-06-05\n"
        "2,active,,K1,H,b,student,,2025-08-20,2025-10-15\n"
        "3,active,,K2,N,b,student,,2026-01-05,\n"
        "4,active,,K1,H,c,student,,2025-08-11,2025-11-30\n"
        "5,active,,K2,N,c,student,,2026-01-05,2026-06-05\n"
        "6,active,,K1,H,t,teacher,true,2025-08-11,2026-06-05\n"
        "7,active,,K9,H,a,student,,,\n"
        "8,active,,K1,H,zz,student,,,\n"
        "9,active,,K3,N,c,student,,,\n"
        "10,tobedeleted,,K1,H,a,student,,,\n"
        "11,active,,K1,X,a,student,,2025-08-11,\n"
    ),
    "demographics": (
        "sourcedId,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,asian,blackOrAfricanAmerican,"
        "nativeHawaiianOrOtherPacificIslander,white,demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity\n"
        "a,active,,2010-01-02,female,false,true,false,false,true,true,false\n"
        "b,active,,2009-01-02,Male,false,false,false,false,false,true,true\n"
        "c,active,,2008-01-02,other,false,false,false,false,false,false,\n"
        "d,active,,2011-01-02,unspecified,,,true,,,true,false\n"
        "q,active,,2011-01-02,male,,,true,,,,false\n"
    ),
}  # fmt: skip


def source(**more: object) -> Source:
    return Source(name="sis", format="oneroster", files=["*"], **more)


PARTNER = Partner(
    partner_id="hand_made",
    name="Hand made",
    state="CA",
    timezone="UTC",
    first_school_year=2026,
    sources=[source()],
)


def write_zip(folder: Path, tables: dict[str, str], prefix: str = "") -> Path:
    path = folder / "roster.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in tables.items():
            archive.writestr(f"{prefix}{name}.csv", text)
    return path


def take(folder: Path, tables: dict[str, str] = SET, **more: object) -> dict[str, Mapped]:
    path = write_zip(folder, tables)
    raw = oneroster.read(path, path.name, source(**more))
    return {mapped.extract: mapped for mapped in oneroster.map(raw, source(**more), PARTNER)}


def rows(mapped: Mapped, *columns: str) -> list[tuple]:
    return mapped.rows.select(columns).rows()


def test_schools_are_the_orgs_of_type_school(tmp_path):
    schools = take(tmp_path)["schools"]
    assert rows(schools, "school_year", "school_id", "school_name", "_file", "_line") == [
        ("2026", "H", "High", "roster.zip!orgs.csv", 3),
        ("2026", "N", "North", "roster.zip!orgs.csv", 4),
    ]
    assert schools.skipped == {"status is tobedeleted": 1, "type is district": 1}


def test_students_carry_grade_and_demographics(tmp_path):
    students = take(tmp_path)["students"]
    two = "DemographicRaceTwoOrMoreRaces"
    assert rows(
        students,
        "school_year",
        "student_id",
        "grade_level",
        "sex",
        "hispanic_latino",
        "races",
        "birth_date",
        "_line",
    ) == [
        ("2026", "a", "10", "female", "no", "Asian;White", "2010-01-02", 2),
        ("2026", "b", "11", "male", "yes", two, "2009-01-02", 3),
        ("2026", "c", "12", "nonbinary", None, None, "2008-01-02", 4),
        ("2026", "d", "9", "unknown", "no", f"BlackOrAfricanAmerican;{two}", "2011-01-02", 5),
    ]
    assert students.skipped == {"role is administrator": 1, "role is teacher": 1, "status is tobedeleted": 1}
    assert students.warnings == ("1 records of demographics.csv belong to no user",)
    assert students.rows.height + sum(students.skipped.values()) == 7


def test_names_passwords_and_addresses_are_not_mapped(tmp_path):
    columns = {column for mapped in take(tmp_path).values() for column in mapped.rows.columns}
    assert not columns & {"username", "password", "givenName", "familyName", "email"}


def test_school_enrollments_follow_users_and_former_classes(tmp_path):
    stays = take(tmp_path)["school_enrollments"]
    assert rows(
        stays, "student_id", "school_id", "entry_date", "exit_date", "is_primary", REJECT, "_line"
    ) == [
        ("a", "H", "2025-08-11", None, "yes", None, 2),
        # Two schools: the first is primary; at H all classes ended before the year did.
        ("b", "H", "2025-08-20", "2025-10-15", "no", None, 3),
        ("b", "N", "2026-01-05", None, "yes", None, 3),
        # users.csv has only the new school; the classes at the old one have ended.
        ("c", "H", "2025-08-11", "2025-11-30", "no", None, 4),
        ("c", "N", "2026-01-05", None, "yes", None, 4),
        ("d", None, None, None, None, "the user is at no school", 5),
    ]
    assert sum(stays.skipped.values()) == 3


def test_a_class_that_goes_on_at_another_school_is_no_stay(tmp_path):
    guest = SET["enrollments"] + "12,active,,K2,N,a,student,,2026-01-05,2026-06-05\n"
    stays = take(tmp_path, SET | {"enrollments": guest})["school_enrollments"].rows.filter(student_id="a")
    assert stays["school_id"].to_list() == ["H"]


def test_courses_take_only_five_digits_as_sced(tmp_path):
    courses = take(tmp_path)["courses"]
    assert rows(courses, "school_year", "course_id", "course_title", "sced_code", REJECT) == [
        ("2026", "BIO-AP", "AP Biology", "03056", None),
        ("2026", "C2", "Art", None, None),
        (None, "LOST", "Lost", None, "its school year is not in academicSessions.csv"),
    ]
    assert courses.skipped == {"status is tobedeleted": 1}
    assert "school_id" not in courses.rows.columns


def test_course_enrollments_resolve_class_course_term_and_year(tmp_path):
    seats = take(tmp_path)["course_enrollments"]
    kept = seats.rows.filter(pl.col(REJECT).is_null())
    assert kept.select(
        "school_year",
        "student_id",
        "school_id",
        "course_id",
        "section_id",
        "term",
        "entry_date",
        "exit_date",
        "_line",
    ).rows() == [
        ("2026", "a", "H", "BIO-AP", "K1", "Fall;Spring", "2025-08-11", None, 2),
        ("2026", "b", "H", "BIO-AP", "K1", "Fall", "2025-08-20", "2025-10-15", 3),
        ("2026", "b", "N", "C2", "K2", "Spring", "2026-01-05", None, 4),
        ("2026", "c", "H", "BIO-AP", "K1", "Fall", "2025-08-11", "2025-11-30", 5),
        ("2026", "c", "N", "C2", "K2", "Spring", "2026-01-05", None, 6),
    ]
    assert seats.rows.filter(pl.col(REJECT).is_not_null()).select("_line", REJECT).rows() == [
        (8, "its class is not in classes.csv"),
        (9, "its user is not in users.csv"),
        (10, "its class's course is not in courses.csv"),
        (12, "its school is not a school of orgs.csv"),
    ]
    assert seats.skipped == {"role is teacher": 1, "status is tobedeleted": 1}
    assert seats.rows.height + sum(seats.skipped.values()) == 11
    assert "dropped" not in seats.rows.columns


def test_headers_in_any_case_and_order_in_a_subfolder_of_a_zip(tmp_path):
    shuffled = {}
    for name, text in SET.items():
        table = list(csv.reader(io.StringIO(text)))
        turned = io.StringIO()
        csv.writer(turned).writerows([[c.upper() for c in table[0]][::-1], *(row[::-1] for row in table[1:])])
        shuffled[name.upper() if name != "manifest" else name] = turned.getvalue()
    path = write_zip(
        tmp_path, {name.replace("METADATA", "metadata"): text for name, text in shuffled.items()}, "out/"
    )
    turned = oneroster.map(oneroster.read(path, path.name, source()), source(), PARTNER)
    for mapped, plain in zip(turned, take(tmp_path).values(), strict=True):
        assert mapped.rows.drop("_file").equals(plain.rows.drop("_file"))
        assert mapped.skipped == plain.skipped


def test_folder_gives_the_same_as_zip(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for name, text in SET.items():
        (folder / f"{name}.csv").write_text(text)
    from_folder = oneroster.map(oneroster.read(folder, "set", source()), source(), PARTNER)
    for mapped, zipped in zip(from_folder, take(tmp_path).values(), strict=True):
        assert mapped.rows.drop("_file").equals(zipped.rows.drop("_file"))


def test_ids_by_identifier(tmp_path):
    result = take(tmp_path, options={"student_id": "identifier", "school_id": "identifier"})
    assert rows(result["students"], "student_id") == [("S-1",), ("S-2",), ("S-3",), ("S-4",)]
    first = result["course_enrollments"].rows.row(0, named=True)
    assert (first["student_id"], first["school_id"]) == ("S-1", "1001")


def test_metadata_columns_by_mapping(tmp_path):
    students = take(
        tmp_path,
        columns={"english_learner": ["metadata.lep", "Metadata.EL"], "homeless": "metadata.homeless"},
        values={"english_learner": {"Y": "current", "N": "never", "": "unknown"}},
        constants={"race_standard": "1997"},
    )["students"]
    assert students.rows["english_learner"].to_list() == ["current", "never", "unknown", "never"]
    assert students.rows["race_standard"].unique().to_list() == ["1997"]
    assert "homeless" not in students.rows.columns
    assert "no header for homeless (metadata.homeless); taken as not known" in students.warnings


def test_exclusive_end_dates(tmp_path):
    seats = take(tmp_path, options={"exit_date": "first_day_after"})["course_enrollments"].rows
    assert seats["exit_date"].to_list()[:3] == [None, "2025-10-14", None]


@pytest.mark.parametrize(
    ("stated", "year"), [("2026", "2026"), ("2025-2026", "2026"), ("", "2026"), ("2025", "2026")]
)
def test_school_year_by_its_days(tmp_path, stated, year):
    sessions = SET["academicSessions"].replace(",,2026\n", f",,{stated}\n")
    result = take(tmp_path, SET | {"academicSessions": sessions})
    assert set(result["course_enrollments"].rows.filter(pl.col(REJECT).is_null())["school_year"]) == {year}


def test_two_school_years_in_one_set(tmp_path):
    sessions = (
        SET["academicSessions"]
        + "O,active,,2024-25,schoolYear,2024-08-12,2025-06-06,,2025\nO1,active,,FY,term,2024-08-12,2025-06-06,O,2025\n"
    )
    classes = SET["classes"] + "K0,active,,Old,,C2,,scheduled,,H,O1,,,\n"
    enrollments = SET["enrollments"] + "20,active,,K0,H,c,student,,2024-08-12,2025-06-06\n"
    result = take(
        tmp_path, SET | {"academicSessions": sessions, "classes": classes, "enrollments": enrollments}
    )
    students = result["students"].rows.filter(student_id="c")
    # users.csv knows one grade, this year's.
    assert students.select("school_year", "grade_level").rows() == [("2025", None), ("2026", "12")]
    stays = result["school_enrollments"].rows.filter(student_id="c", school_year="2025")
    assert stays.select("school_id", "entry_date", "exit_date", "is_primary").rows() == [
        ("H", "2024-08-12", None, "yes")
    ]
    assert result["schools"].rows.height == 4


def test_final_grades_come_only_from_final_line_items(tmp_path):
    more = {
        "categories": "sourcedId,status,dateLastModified,title,weight\nG,active,,Final Grade,100\nW,active,,Homework,10\n",
        "lineItems": (
            "sourcedId,status,title,classSourcedId,categorySourcedId,resultValueMin,resultValueMax\n"
            "L1,active,Quarter essay,K1,W,0,100\nL2,active,Course mark,K1,G,0,100\nL3,active,Final,K2,W,0,4\n"
            "L4,active,Final exam,K1,W,0,100\n"
        ),
        "results": (
            "sourcedId,status,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate\n"
            "1,active,L1,a,fully graded,12,2026-05-01\n2,active,L2,a,fully graded,81,2026-01-10\n"
            "3,active,L2,a,fully graded,86,2026-06-01\n4,active,L2,b,not submitted,0,2026-06-01\n"
            "5,active,L3,c,fully graded,3.5,2026-06-01\n6,active,L4,c,fully graded,55,2026-06-01\n"
        ),
    }
    seats = take(tmp_path, SET | more)["course_enrollments"]
    graded = seats.rows.filter(pl.col("final_grade").is_not_null(), pl.col(REJECT).is_null())
    assert graded.select("student_id", "section_id", "final_grade").rows() == [("a", "K1", "86")]
    assert seats.warnings == ("1 final grades of results.csv are not out of 100 points and stay unknown",)


def test_version_1_2_takes_roles_from_roles_csv(tmp_path):
    users = "sourcedId,status,primaryOrgSourcedId,username,identifier,grades\na,active,H,u,S-1,10\nt,active,H,u,T,\n"
    roles = (
        "sourcedId,status,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId\n"
        "1,active,a,secondary,student,,,H\n2,active,a,primary,student,,,N\n3,active,t,primary,teacher,,,H\n"
    )
    result = take(tmp_path, SET | {"users": users, "roles": roles})
    assert rows(result["students"], "student_id") == [("a",)]
    assert rows(result["school_enrollments"], "school_id", "is_primary") == [("H", "no"), ("N", "yes")]
    with pytest.raises(
        DeliveryError, match=r"roster.zip!users.csv, line 1: no user has a role; send roles.csv"
    ):
        take(tmp_path, SET | {"users": users})


def test_as_of_is_the_last_change(tmp_path):
    path = write_zip(tmp_path, SET)
    dates = {table.name: table.inferred.get("as_of") for table in oneroster.read(path, path.name, source())}
    assert dates["roster.zip!academicSessions.csv"] == "2025-10-02"
    assert dates["roster.zip!orgs.csv"] is None


def test_a_roster_of_the_summer_has_no_classes_yet(tmp_path):
    headers = {name: SET[name].splitlines()[0] + "\n" for name in ("courses", "classes", "enrollments")}
    bare = {name: text for name, text in SET.items() if name != "demographics"} | headers
    result = take(tmp_path, bare)
    assert {name: mapped.rows.height for name, mapped in result.items()} == {
        "schools": 2, "students": 4, "school_enrollments": 5, "courses": 0, "course_enrollments": 0,
    }  # fmt: skip
    assert result["students"].rows["races"].null_count() == 4
    assert set(result["school_enrollments"].rows["entry_date"].drop_nulls()) == {"2025-08-11"}


def test_what_is_refused_as_a_whole(tmp_path):
    with pytest.raises(DeliveryError, match="not a whole OneRoster set: orgs.csv absent"):
        take(tmp_path, {name: text for name, text in SET.items() if name != "orgs"})
    with pytest.raises(
        DeliveryError, match="roster.zip!manifest.csv, line 3: 1 of its files hold only changes"
    ):
        take(tmp_path, SET | {"manifest": SET["manifest"].replace("bulk", "delta")})
    with pytest.raises(
        DeliveryError, match="roster.zip!classes.csv, line 1: column courseSourcedId not found"
    ):
        take(tmp_path, SET | {"classes": SET["classes"].replace("courseSourcedId", "course")})
    with pytest.raises(DeliveryError, match="no session tells a school year"):
        take(tmp_path, SET | {"academicSessions": "sourcedId,type,startDate,endDate\nY,schoolYear,,\n"})


def test_a_mapping_that_can_not_be_meant_is_refused(tmp_path):
    with pytest.raises(PartnerFileError, match="columns of OneRoster has no english_lerner"):
        take(tmp_path, columns={"english_lerner": "metadata.el"})
    with pytest.raises(PartnerFileError, match="no option student_id: username"):
        take(tmp_path, options={"student_id": "username"})
