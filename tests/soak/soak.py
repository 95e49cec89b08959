"""A bounded soak of a real server: see README.md. `run.sh` finds a Python for it."""

from __future__ import annotations

import argparse
import pathlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import bad
import churn
import exported_programs
import good
import plants
import report
import secure
import verdicts
from gate import Actor, Gate
from secure import SecureStage
from stage import BUDGET_MIB, Stage
from verdicts import Verdict
from watch import Watch

WARM_UP_SHARE = 0.3
RESTS = 12
LEAST_RESTS = 5
LEAST_BETWEEN_RESTS = 10.0  # seconds
SHUT_SECONDS = 180.0  # for turns in flight: a good request may take 60
SETTLE_SECONDS = 120.0
STAND_INS = 4  # threads that a server adds for those that are held up, and keeps
DEVICES_OF_A_VERSION = 2  # that a swapped version answers on: its own, and another one while that fails
NEW_SAMPLES = 400  # codes, devices and reasons that come up late; a label that a client chooses would be thousands


class Soak:
    """One run. `is_planted`: of --self-test."""

    def __init__(self, minutes: float, seed: int, folder: pathlib.Path, is_planted: bool) -> None:
        self.seconds, self.seed, self.folder, self.is_planted = minutes * 60, seed, folder, is_planted
        self.gate = Gate()
        self.actors: list[Actor] = []
        self.broken: list[str] = []  # what ended the run before its time
        self.watches: dict[str, Watch] = {}  # by what stands before the verdicts of that server
        self.internal: dict[str, int] = {}

    def run(self) -> list[Verdict]:
        environment = plants.environment() if self.is_planted else {}
        with Stage(self.folder, environment) as stage, SecureStage(self.folder, {}) as tls:
            stages: dict[str, Stage | SecureStage] = {"": stage, "TLS: ": tls}
            begin = time.monotonic()
            self.watches = {prefix: Watch(each, begin) for prefix, each in stages.items()}
            self._hire(stage, tls)
            for thread in (*self.actors, *self.watches.values()):
                thread.start()
            try:
                self._go_on(stages)
            finally:
                self.gate.end()
                for watch in self.watches.values():
                    watch.stop()
            exit_codes = self._end(stages)
            return self._judge(exit_codes)

    def _hire(self, stage: Stage, tls: SecureStage) -> None:
        cases = exported_programs.cases_of(self.folder / "net.FP32.npz")
        self.actors += good.team(self.gate, self.seed, stage.connect, cases)
        self.actors += bad.team(self.gate, self.seed, stage.connect, stage.address, stage.server.ports["metrics_address"])
        self.actors += churn.team(self.gate, self.seed, stage)
        self.actors += secure.team(self.gate, self.seed, tls)
        if self.is_planted:
            faults = next(actor for actor in self.actors if isinstance(actor, churn.Faults))
            self.actors += [plants.KeepsStreams(self.gate, self.seed, stage.connect), plants.WrongProducts(self.gate, self.seed, faults)]

    def _go_on(self, stages: dict[str, Stage | SecureStage]) -> None:
        begin = time.monotonic()
        every = max(LEAST_BETWEEN_RESTS, self.seconds / RESTS)
        # On a busy machine a short run takes longer: it needs rests to compare.
        while (time.monotonic() - begin < self.seconds or self._rests() < LEAST_RESTS) and not self.broken:
            until = time.monotonic() + every
            while time.monotonic() < until and all(stage.is_alive() for stage in stages.values()):
                time.sleep(0.2)
            self._rest(stages)
            self.gate.open()

    def _rests(self) -> int:
        return min(len(watch.rests) for watch in self.watches.values())

    def _rest(self, stages: dict[str, Stage | SecureStage]) -> None:
        self.broken += [f"{prefix}the server ended with {stage.server.process.returncode}"
                        for prefix, stage in stages.items() if not stage.is_alive()]
        if self.broken:
            return
        if not self.gate.shut(SHUT_SECONDS):
            self.broken.append(f"clients that do not come to rest within {SHUT_SECONDS:.0f} s")
            return
        for prefix, watch in self.watches.items():
            rest = watch.rest(3 if self.is_planted else SETTLE_SECONDS)
            print(f"{rest.seconds:7.0f} s  {prefix}rss {rest.rss_mib:.0f} MiB, {rest.descriptors} descriptors, {rest.threads} threads, "
                  f"{rest.connections} connections, {rest.memory_bytes} bytes of calls", flush=True)
        print(f"           {sum(a.turns for a in self.actors)} turns, {sum(a.failed for a in self.actors if a.is_good)} good ones failed",
              flush=True)

    def _end(self, stages: dict[str, Stage | SecureStage]) -> dict[str, int | None]:
        """The exit codes."""
        for prefix, stage in stages.items():
            if stage.is_alive():
                self.internal[prefix] = int(stage.server.metrics().sum("torchferry_requests_total", code="INTERNAL"))
        exit_codes = {prefix: stage.stop() for prefix, stage in stages.items()}
        for actor in self.actors:
            actor.join(10)
        return exit_codes

    def _judge(self, exit_codes: dict[str, int | None]) -> list[Verdict]:
        good_ones = [actor for actor in self.actors if actor.is_good]
        first = next((f"{a.name}: {a.failures[0]}" for a in good_ones if a.failures), "")
        judged = [
            verdicts.none_verdict("the run was cut short", len(self.broken), first="; ".join(self.broken)),
            verdicts.none_verdict("good requests that failed", sum(a.failed for a in good_ones),
                                  f" of {sum(a.turns + a.failed for a in good_ones)}", first),
        ]
        # The counter of a version that was unloaded stays, one for each device that it answered on.
        deployed = sum(actor.turns for actor in self.actors if isinstance(actor, churn.Swaps))
        slack = {"": NEW_SAMPLES + DEVICES_OF_A_VERSION * deployed, "TLS: ": NEW_SAMPLES}
        for prefix, watch in self.watches.items():
            judged += self._judge_server(prefix, watch, exit_codes[prefix], slack[prefix])
        return judged + [verdicts.some_verdict(f"turns of {actor.name}", actor.turns) for actor in self.actors if actor.turns == 0]

    def _judge_server(self, prefix: str, watch: Watch, exit_code: int | None, new_samples: int) -> list[Verdict]:
        rests = watch.rests
        warm = WARM_UP_SHARE * max(self.seconds, watch.memory[-1][0] if watch.memory else 0)
        settled = max(2, sum(rest.seconds <= warm for rest in rests))
        measured = [(at, value) for at, value in watch.memory if at > warm]
        never = [rest for rest in rests if not rest.settled]
        open_ones = (f"{never[0].connections} connections, {never[0].in_flight} requests, {never[0].memory_bytes} bytes of calls"
                     if never else "")
        if len(measured) >= 5:
            memory = verdicts.memory_verdict(f"{prefix}memory", measured, BUDGET_MIB)
        else:
            memory = Verdict(f"{prefix}memory", f"{len(measured)} samples", "5 and more", False)
        return [
            verdicts.none_verdict(f"{prefix}answers of INTERNAL", self.internal.get(prefix, 0)),
            memory,
            verdicts.none_verdict(f"{prefix}open at rest", len(never), f" of {len(rests)} rests", open_ones),
            verdicts.rest_verdict(f"{prefix}descriptors at rest", [rest.descriptors for rest in rests], settled, slack=1),
            verdicts.rest_verdict(f"{prefix}threads at rest", [rest.threads for rest in rests], settled, slack=STAND_INS),
            verdicts.rest_verdict(f"{prefix}samples of the metrics", [rest.samples for rest in rests], settled, slack=new_samples),
            Verdict(f"{prefix}the server's exit code", str(exit_code), "0", exit_code == 0),
        ]


def judge_self_test(judged: Sequence[Verdict]) -> int:
    """0 when each planted fault was found."""
    by_name = {verdict.name: verdict for verdict in judged}
    missed = [name for name in plants.FOUND if by_name[name].holds]
    print(f"self-test: {len(plants.FOUND) - len(missed)} of {len(plants.FOUND)} planted faults were found"
          + (f"; missed: {', '.join(missed)}" if missed else ""))
    return 1 if missed else 0


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests/soak/run.sh", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long the clients ask; from 0.5 to 1440, default 30")
    parser.add_argument("--seed", type=int, default=None, help="of all that is chosen by chance; default: another one each time")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("soak-report"), help="folder of soak.json and the servers' logs")
    parser.add_argument("--self-test", action="store_true", help="plants leaks and wrong answers, and succeeds when all are found")
    options = parser.parse_args(arguments)
    if not 0.5 <= options.minutes <= 1440:
        parser.error(f"--minutes {options.minutes}: expected 0.5 to 1440")
    seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    print(f"soak of {options.minutes:g} minutes, --seed {seed}", flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="torchferry-soak-") as folder:
        soak = Soak(options.minutes, seed, pathlib.Path(folder), options.self_test)
        try:
            judged = soak.run()
        finally:
            for name in ("server", "secure_server"):
                log = pathlib.Path(folder) / name / "server.log"
                if log.exists():
                    shutil.copy(log, options.output / f"{name}.log")
    longest_gap = max(watch.longest_gap for watch in soak.watches.values())
    about = {"minutes": options.minutes, "seed": seed, "self_test": options.self_test, "longest_gap_seconds": longest_gap}
    report.write(options.output / "soak.json", about, judged, soak.actors, soak.watches)
    print(report.shown_actors(soak.actors), "", sep="\n")
    print(report.table(("", "what", "seen", "at most"), report.rows_of(judged)))
    print(f"the longest that this host stood still: {longest_gap:.1f} s")
    print(f"seed {seed}; {options.output / 'soak.json'} has the figures, server.log and secure_server.log the servers' words")
    if options.self_test:
        return judge_self_test(judged)
    return 0 if all(verdict.holds for verdict in judged) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
