"""What a person does to what is on file, as runs like any other, so that the history says when it happened."""

import datetime as dt
import os

import dagster as dg

from equity_pipeline.defs import alerts, history
from equity_pipeline.defs.failures import told_to_a_person
from equity_pipeline.defs.turns import NETWORK_TURN, turn
from equity_pipeline.domain import school_years
from equity_pipeline.extracts import intake
from equity_pipeline.partners import registry
from equity_pipeline.publishing import withdrawal
from equity_pipeline.stewardship import erasure
from equity_pipeline.storage import keys, sealed, trail
from equity_pipeline.storage.home import Home

ERASE, ERASE_STUDENT, REKEY, ROTATE_KEY = "erase", "erase_student", "rekey", "rotate_key"
RETENTION, WITHDRAW = "retention", "withdraw"
STUDENT_ID = "EQUITY_ERASE_STUDENT_ID"


def corrections(home: Home) -> list[dg.JobDefinition]:
    """The jobs that change what is on file of one partner."""
    return [erase(home), erase_student(home), rekey(home), rotate_key(home), retention(home), withdraw(home)]


def nightly(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Retention is looked after every night."""
    return dg.ScheduleDefinition(
        name=f"{RETENTION}_nightly",
        job=job,
        cron_schedule="0 3 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def retention(home: Home) -> dg.JobDefinition:
    """A job that removes what is older than each partner's `retention`, and encrypts what rests under no key or an older
    one."""

    @dg.op
    def remove_what_is_too_old(context: dg.OpExecutionContext) -> None:
        for partner_id, partner in registry.load_valid(home)[0].items():
            with told_to_a_person(), turn(home, partner_id):
                receipt = erasure.retain(home, partner, dt.date.today())
                renewed = sealed.renew(home.sealed_folders_of(partner_id))
            if receipt:
                context.log.info(f"receipt: {receipt}")
            if renewed:
                context.log.info(f"{partner_id}: {renewed:,} files encrypted under the current key")

    @dg.job(
        name=RETENTION,
        description="Remove what is older than a partner's retention, with receipts; encrypt what is not, or under an "
        "older key.",
    )
    def retention_job() -> None:
        remove_what_is_too_old()

    return retention_job


def erase(home: Home) -> dg.JobDefinition:
    """A job that removes one partner from every layer and writes a receipt."""

    @dg.op(config_schema={"partner_id": str, "keep_releases": dg.Field(bool, default_value=False)})
    def erase_partner(context: dg.OpExecutionContext) -> None:
        partner_id = context.op_config["partner_id"]
        keep_releases = context.op_config["keep_releases"]
        with told_to_a_person(), turn(home, NETWORK_TURN), turn(home, partner_id):
            receipt = erasure.erase_partner(home, partner_id, keep_releases)
            if not keep_releases:
                withdrawal.forget(home, partner_id)
            home.lock(partner_id).unlink()
            alerts.forget(context.instance, partner_id)
            history.forget(home, context.instance, partner_id)
        context.log.info(f"receipt: {receipt}")

    @dg.job(name=ERASE, description="Remove one partner from every layer; writes a receipt.")
    def erase_job() -> None:
        erase_partner()

    return erase_job


def erase_student(home: Home) -> dg.JobDefinition:
    """A job that strikes one student out of every layer and writes a receipt.

    Who she is does not stand in the run's configuration, which the history keeps: it comes in `$EQUITY_ERASE_STUDENT_ID`
    of the process that runs the job.
    """

    @dg.op(config_schema={"partner_id": str})
    def strike_student(context: dg.OpExecutionContext) -> None:
        partner_id = context.op_config["partner_id"]
        with told_to_a_person(), turn(home, partner_id):
            partner = registry.load(home.partner_file(partner_id))
            receipt = erasure.erase_student(home, partner, os.environ[STUDENT_ID])
        context.log.info(f"receipt: {receipt}")

    @dg.job(name=ERASE_STUDENT, description="Strike one student out of every layer; writes a receipt.")
    def erase_student_job() -> None:
        strike_student()

    return erase_student_job


def rekey(home: Home) -> dg.JobDefinition:
    """A job that says of a delivered file that it belongs to another school year than it says."""

    @dg.op(config_schema={"partner_id": str, "file": str, "school_year": str, "because": str})
    def rekey_file(context: dg.OpExecutionContext) -> None:
        said = context.op_config
        with told_to_a_person(), turn(home, said["partner_id"]):
            partner = registry.load(home.partner_file(said["partner_id"]))
            intake.rekey(
                home, partner, said["file"], school_years.parse(said["school_year"]), said["because"]
            )

    @dg.job(
        name=REKEY,
        description="Take a delivered file as one of another school year; who and why is recorded.",
    )
    def rekey_job() -> None:
        rekey_file()

    return rekey_job


def rotate_key(home: Home) -> dg.JobDefinition:
    """A job that gives a partner a new key; all its deliveries are read again under new pseudonyms."""

    @dg.op(config_schema={"partner_id": str})
    def new_key(context: dg.OpExecutionContext) -> None:
        partner_id = context.op_config["partner_id"]
        with told_to_a_person(), turn(home, partner_id):
            keys.rotate(home, partner_id)
            trail.log(home, "rotated key", partner_id)

    @dg.job(name=ROTATE_KEY, description="Give a partner a new key for its pseudonyms.")
    def rotate_key_job() -> None:
        new_key()

    return rotate_key_job


def withdraw(home: Home) -> dg.JobDefinition:
    """A job that takes back one release of a partner, and the network's releases that were made of it."""

    @dg.op(config_schema={"partner_id": str, "release_id": str, "because": str})
    def take_back(context: dg.OpExecutionContext) -> None:
        said = context.op_config
        with told_to_a_person(), turn(home, NETWORK_TURN), turn(home, said["partner_id"]):
            done = withdrawal.withdraw(home, said["partner_id"], said["release_id"], said["because"])
        context.log.info(
            f"{said['partner_id']}: latest is {done.latest}; of the network went {list(done.roll_ups)}"
        )

    @dg.job(name=WITHDRAW, description="Take back one release of a partner; who and why is recorded.")
    def withdraw_job() -> None:
        take_back()

    return withdraw_job
