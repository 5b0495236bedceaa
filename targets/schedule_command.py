"""`pipeline.py schedule`: retrain on a timetable; create, list, pause, resume and delete, on either target.

A scheduled run looks at its sources first: with unchanged source, code, images and settings it ends early.
"""

import argparse
from collections.abc import Callable

from targets.compilation import MakePipeline
from targets.connect import add_connection_options, connect
from targets.cron import check_cron, check_zone
from targets.estimate import confirm_estimate
from targets.remote import Schedule, Service, one_schedule
from targets.submission import add_job_options, prepared
from targets.submit_command import check_name
from yt8m.errors import InputError
from yt8m.progress import log

SCHEDULED = {"skip_unchanged": True}
CHANGES = ("pause", "resume", "delete")


def add_schedule_options(parser: argparse.ArgumentParser, make_pipeline: MakePipeline) -> None:
    """The options of `schedule`."""
    parser.description = "Start runs on a timetable; a run that finds nothing new ends early."
    parser.epilog = ("example: python pipeline.py schedule create --target kfp --host "
                     'https://kubeflow.example.com/pipeline --profile prod --name nightly '
                     '--cron "0 3 * * *"')  # fmt: skip
    actions = parser.add_subparsers(dest="action", required=True, metavar="create|list|pause|resume|delete")
    create = actions.add_parser("create", help="make a schedule, or bring the one of that name up to date")
    create.epilog = ('example: python pipeline.py schedule create --target vertex --project P --region us-central1 '
                     '--staging-bucket gs://B --profile prod --name nightly --cron "0 3 * * *" '
                     '--time-zone Europe/Zurich')  # fmt: skip
    create.set_defaults(run=lambda args: create_command(args, make_pipeline))
    add_connection_options(create)
    add_job_options(create)
    create.add_argument("--name", required=True, help="of the schedule")
    create.add_argument("--cron", required=True, help='minute hour day month weekday, such as "0 3 * * *"')
    create.add_argument("--time-zone", default="UTC", help="that the times are meant in (default: UTC)")
    create.add_argument("--cluster-time-zone", help="Kubeflow: that its schedules follow, CRON_SCHEDULE_TIMEZONE of "
                        "its scheduled-workflow controller (default: UTC)")  # fmt: skip
    create.add_argument("--index", metavar="F", help="index of the train partition (or a CSV of VideoId,Labels), for "
                        "an estimate of one run, which is shown for profile prod")  # fmt: skip
    listed = actions.add_parser("list", help="show the schedules")
    listed.set_defaults(run=list_command)
    add_connection_options(listed)
    for action in CHANGES:
        changed = actions.add_parser(action, help=f"{action} a schedule")
        changed.set_defaults(run=change_command)
        add_connection_options(changed)
        changed.add_argument("--name", required=True, help="of the schedule")


def create_command(args: argparse.Namespace, make_pipeline: MakePipeline) -> None:
    """Make a schedule of a name; the same again changes nothing, other settings replace it.

    Raises:
        InputError: wrong options or parameters, a name in use by something else, or a service that refuses.
    """
    check_name(args.name)
    check_cron(args.cron)
    check_zone(args.time_zone)
    with prepared(args, make_pipeline, args.name, SCHEDULED) as submission:
        if args.profile == "prod":
            confirm_estimate(submission, args.index, ask=False)
        service = connect(args)
        cron = service.cron(args.cron, args.time_zone)
        found = service.schedules(args.name)
        for schedule in found:
            if not schedule.settings:
                raise InputError(f"--name {args.name}: a schedule of this name was made by other means; choose another "
                                 "name, or delete that one first")  # fmt: skip
        same = [entry for entry in found if (entry.settings, entry.cron) == (submission.job.settings, cron)]
        if same:
            _delete(service, [entry for entry in found if entry is not same[0]])
            state = "paused" if same[0].paused else "active"
            print(f"schedule {args.name} is there already with these settings ({state}, {cron}): nothing to do")
            return
        paused = bool(found) and all(entry.paused for entry in found)
        _replace(service, found, lambda: service.create_schedule(submission.job, cron, paused=paused))
    done = "replaced, as its settings had changed" if found else "created"
    print(f"schedule {args.name}: {done} ({'paused' if paused else 'active'}, {cron})")


def list_command(args: argparse.Namespace) -> None:
    """Show the schedules made by this command."""
    found = sorted((entry for entry in connect(args).schedules() if entry.settings), key=lambda entry: entry.name)
    if not found:
        log("there are no schedules; make one with `python pipeline.py schedule create`")
    width = max((len(entry.name) for entry in found), default=0)
    for entry in found:
        print(f"{entry.name:<{width}}  {'paused' if entry.paused else 'active'}  {entry.cron}")


def change_command(args: argparse.Namespace) -> None:
    """Pause, resume or delete a schedule; what is so already stays so.

    Raises:
        InputError: there is no schedule of that name, or deleting it would take away a run.
    """
    service = connect(args)
    if args.action == "delete":
        found = service.schedules(args.name)
        if _delete(service, found):
            raise InputError(f"--name {args.name}: a run of it goes on, which Kubeflow would take away with it; it is "
                             "paused now: delete it when the run has ended")  # fmt: skip
        print(f"schedule {args.name}: {'deleted' if found else 'there is none, so nothing to do'}")
        return
    schedule = one_schedule(service, args.name)
    wanted = args.action == "pause"
    if schedule.paused == wanted:
        print(f"schedule {args.name}: {'paused' if wanted else 'active'} already")
        return
    (service.pause if wanted else service.resume)(schedule)
    print(f"schedule {args.name}: {'paused' if wanted else 'active again'}")


def _replace(service: Service, old: list[Schedule], create: Callable[[], Schedule]) -> None:
    """Put a new schedule in place of the old ones, so that at no moment two of them start runs."""
    running = [entry for entry in old if not entry.paused]
    for entry in running:
        service.pause(entry)
    try:
        create()
    except BaseException:
        for entry in running:
            service.resume(entry)
        raise
    if _delete(service, old):
        log("a run of the old schedule goes on, so that one is kept, paused; the next create or delete with this name "
            "removes it")  # fmt: skip


def _delete(service: Service, schedules: list[Schedule]) -> list[Schedule]:
    """Delete schedules; those that would take a run away are paused instead and returned."""
    kept = []
    for entry in schedules:
        if service.takes_away_a_run(entry):
            service.pause(entry)
            kept.append(entry)
        else:
            service.delete(entry)
    return kept
