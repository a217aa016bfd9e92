"""One phone with many accounts: registrations kept alive, refreshes spread."""

import time

from house import FAR

ORDER = 30
LADDER = [10, 100, 1000, 10000]
EXPIRES = 15
WINDOW = 16


def run(house):
    points = []
    for count in LADDER:
        figures = once(house, count)
        points.append((count, figures["core"]))
    house.add(f"{count} accounts: registered after", figures["up_s"], "s")
    house.add(f"{count} accounts: CPU of one registration", figures["first_us"], "us")
    house.add(f"{count} accounts: CPU of one refresh", figures["refresh_us"], "us")
    house.add(f"{count} accounts: busiest tenth of a second", figures["peak"], "x mean")
    house.add(f"{count} accounts: resident for each", figures["kib"], "KiB")
    house.add(f"exponent of cost, {LADDER[0]} to {LADDER[-1]} accounts", house.curve("accounts", points), "", most=1.05)


def once(house, count):
    with house.start([house.program("answer"), "expires=3600"], FAR) as registrar:
        port = registrar.line(10).split()[1]
        began = time.monotonic()
        process, _ = house.host(f"registrar=127.0.0.1:{port}", f"accounts={count}", f"expires={EXPIRES}", "audio=none")
        with process:
            rss, cpu = process.rss_kib(), process.cpu()
            process.line(60)
            up_s, first = time.monotonic() - began, process.cpu() - cpu
            kib = (process.rss_kib() - rss) / count
            registrar.say(str(process.pid))
            a = last = registrar.answer(5)
            busiest = 0
            for _ in range(WINDOW * 10):
                time.sleep(0.1)
                registrar.say("stats")
                b = registrar.answer(5)
                busiest = max(busiest, (b["registers"] - last["registers"]) / (b["at"] - last["at"]))
                last = b
    refreshes, cpu, wall = b["registers"] - a["registers"], b["cpu_s"] - a["cpu_s"], b["at"] - a["at"]
    return dict(
        core=cpu / wall, up_s=up_s, first_us=first / count * 1e6, refresh_us=cpu / max(1, refreshes) * 1e6,
        peak=busiest / max(1e-9, refreshes / wall), kib=kib,
    )
