// Tables for the state machine: one line is one operation, a bar, and its reply.
//
//   push r work group=g          | m1        a new id, called m1 from here on; a known one must be the same
//   claim d1 r n=2               | m1 m2     the messages in order; "none" for an empty array
//   fail m1 transient            | state=scheduled at=+1000..2000
//   +5s                                      both clocks go on, stopping wherever the bus asked to be woken
//   & push r more                | m3        in the same turn as the line above: no tick, no seal between
//   claim d1 r wait=1000 as=c1   | parked    then "reply c1 | m3", or "silent c1"
//
// `m1` in the place of a claim means its newest token, `m1.1` the token of its first delivery, `m1@x` the
// token "x", `?` an id that never was. Replies: `nil`, `none`, `!CODE [words of the text]`, a number, a word;
// for maps any of name=value (`-name`: not there; `+500` and `+500..900` are times from now); for arrays the
// items in order: messages by name, events by kind, explanations by guard, groups by count; or `*100`, how
// many. list, deadlist and events follow the cursor to its end, n= at a time.
//
// kill scope=claims for=1000 why, killhard why, clear why, clearhard why, killstatus; files soft hard (the
// flag files, as the server sees them; "files" alone: none is there).
//
// deploy r command=./a,--fast prompt=text why=reason; rollback r [to=1] [why=…]; deployed r [version=1] (what
// DEPLOY GET answers), versions r.
//
// beat svc boot=b1 interval=1000 roles=r needs=slack errors=3 state=stopping; daemon svc, daemons, forget
// svc; reap svc b1. note kind source=l number=3 text=x daemon=d role=r reason=w tier=ultra (EVENT ADD).
//
// cron NAME '0 3 * * *' r payload zone=Test/Zone catchup=once; crons; crondrop NAME. The clock begins on
// 2023-11-14 22:13:20 UTC.
//
// incident ultra 'what happened' roles=r,p.* daemons=d fingerprint=f owner=o note=n; incidents [closed]
// tier=ultra role=r n=1; incidentget i1, incidentack i1 owner=o, incidentnote i1 text, incidentclose i1 why.
// sweep since=1700000000000 (Unix milliseconds: when the clock begins).
//
// Other lines: jump 1h (one turn, that much later), later 1h (the turn of the next line is that much later),
// wall -1h (somebody sets the clock), restart [down=1h], gone c1 (the connection closes), hold [strict]
// (nothing is sealed from here) and flow (sealed and committed after each line again).
//
// Every table is played three times: as it stands, with a restart after every line that leaves nothing
// parked, and with each batch committed only one turn after it was sealed. The rows are verified after each
// line.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "bus/core/config.h"
#include "bus/core/gate.h"
#include "bus/core/office.h"

namespace pawl::core {

// A fresh gate for each opening of the bus; nothing: the guard "pause" alone.
using MakeGate = std::function<std::unique_ptr<Gate>()>;

// The ops layer likewise; nothing: there is none.
using MakeOffice = std::function<std::unique_ptr<Office>()>;

// Empty when everything went as the table says; else the first line that did not, and what came instead.
std::string play(const std::string& table, const BusConfig& config = {}, const MakeGate& make_gate = {},
                 const MakeOffice& make_office = {});

// Windows of two to three entries and steps of two rows: a handful of messages reaches every edge.
BusConfig tiny_windows();

}  // namespace pawl::core
