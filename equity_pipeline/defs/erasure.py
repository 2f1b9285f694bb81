"""Erasing a partner is a run like any other, so that the history says when it happened."""

import dagster as dg

from equity_pipeline.defs.failures import told_to_a_person
from equity_pipeline.defs.turns import turn
from equity_pipeline.partners import erasure
from equity_pipeline.storage.home import Home

ERASE = "erase"


def erase(home: Home) -> dg.JobDefinition:
    """A job that removes one partner from every layer and writes a receipt."""

    @dg.op(config_schema={"partner_id": str})
    def erase_partner(context: dg.OpExecutionContext) -> None:
        partner_id = context.op_config["partner_id"]
        with told_to_a_person(), turn(home, partner_id):
            receipt = erasure.erase_partner(home, partner_id)
            home.lock(partner_id).unlink()
        context.log.info(f"receipt: {receipt}")

    @dg.job(name=ERASE, description="Remove one partner from every layer; writes a receipt.")
    def erase_job() -> None:
        erase_partner()

    return erase_job
