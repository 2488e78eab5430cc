// Every bound of the bus in one place, unit in the name.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pawl::limits {

// Contract, section 2.
constexpr size_t name_bytes_max = 128;
constexpr size_t key_bytes_max = 512;  // UNIQUE and GROUP keys
constexpr size_t items_per_command_max = 10'000;
constexpr size_t command_bytes_max = size_t{8} << 20;
constexpr size_t reply_bytes_max = size_t{8} << 20;
constexpr size_t payload_bytes_default = size_t{1} << 20;
constexpr size_t payload_bytes_ceiling = size_t{4} << 20;  // what `payload_max` may be set to
constexpr size_t headers_per_message_max = 64;
constexpr size_t reason_bytes_max = 1024;

// Deployed versions of a role. A prompt may be as long as a payload.
constexpr size_t deploy_versions_max = 50;  // kept of each role
constexpr size_t deploy_lines_max = 100;    // of its history
constexpr size_t deploy_words_max = 256;    // of a command
constexpr size_t deploy_command_bytes_max = size_t{64} << 10;

// Daemons.
constexpr int64_t beat_interval_ms_default = 5'000;
constexpr int64_t beat_interval_ms_min = 100;
constexpr int64_t beat_interval_ms_max = 3'600'000;
constexpr size_t beat_values_max = 32;  // besides the reserved names
constexpr size_t beat_value_bytes_max = 256;
constexpr size_t beat_names_max = 100;  // in `roles`, and in `needs`
constexpr size_t daemons_max = 100'000;
constexpr size_t event_fields_max = 32;
constexpr size_t event_field_bytes_max = 1024;
constexpr size_t error_text_bytes_max = size_t{16} << 10;  // longer ones are cut, not refused
constexpr size_t note_bytes_max = 1024;
constexpr int priority_max = 9;
constexpr int priority_default = 5;
constexpr uint32_t attempts_max = 1'000'000;
constexpr uint32_t attempts_default = 5;

// Times. A duration over a hundred years is a mistake of units.
constexpr int64_t duration_ms_max = int64_t{100} * 365 * 24 * 3600 * 1000;
constexpr int64_t wall_ms_max = int64_t{4} * 1000 * 365 * 24 * 3600 * 1000;  // about the year 5970
constexpr int64_t wait_ms_max = int64_t{24} * 3600 * 1000;
constexpr int64_t lease_ms_default = int64_t{15} * 60 * 1000;
constexpr int64_t lease_ms_min = 10;
constexpr int64_t lease_ms_max = int64_t{30} * 24 * 3600 * 1000;
constexpr int64_t backoff_base_ms_default = 1000;
constexpr int64_t backoff_max_ms_default = 10 * 60 * 1000;
constexpr int64_t release_delay_ms_first = 1000;
constexpr int64_t clock_step_ms_max = 10'000;  // lease time advances by at most this a turn
constexpr int64_t clock_persist_ms = 10'000;   // clocks ride in a batch at least this often

// Usage: TOKENS and COST of one report.
constexpr int64_t usage_max = int64_t{1} << 53;

// Storage.
constexpr size_t inline_payload_bytes_max = 4096;
constexpr uint64_t sequence_max = (uint64_t{1} << 51) - 1;
constexpr uint32_t role_number_max = (uint32_t{1} << 24) - 1;

// Windows.
constexpr size_t window_entries_min = 16;
constexpr size_t window_entries_max = 4096;
constexpr size_t window_entries_total_max = 1'000'000;
constexpr size_t home_cache_bytes = size_t{16} << 20;  // rows of messages about to be claimed
constexpr size_t refill_rows_at_once = 512;    // read into a window; more would be a pause for everyone
constexpr size_t refill_rows_per_step = 4096;  // rows looked at before a refill yields to the loop

// Background work of the core in one turn, and so what it adds to everyone's wait.
constexpr size_t due_rows_per_tick = 256;
constexpr size_t lapses_per_tick = 256;
constexpr size_t retention_rows_per_tick = 1000;
constexpr size_t job_rows_per_step = 500;
constexpr size_t background_bytes_max = size_t{256} << 10;  // of a batch, while another one commits
constexpr size_t list_rows_examined_max = 10'000;

// Retention.
constexpr int64_t keep_done_ms_default = 10 * 60 * 1000;
constexpr uint64_t done_bytes_max = uint64_t{64} << 20;
constexpr int64_t keep_dead_ms = int64_t{30} * 24 * 3600 * 1000;
constexpr uint64_t dead_bytes_max = uint64_t{1} << 30;
constexpr uint64_t chronicle_bytes_max = uint64_t{1} << 30;

// Guards.
constexpr int64_t quota_cap_max = int64_t{1} << 53;  // tokens, micro-dollars or calls
constexpr int quota_buckets = 60;                    // of a window; the oldest counts whole
constexpr int64_t quota_window_ms_min = quota_buckets;
constexpr int64_t quota_window_ms_max = int64_t{366} * 24 * 3600 * 1000;

// Schedules.
constexpr size_t crons_max = 1000;
constexpr size_t cron_payload_bytes_max = size_t{64} << 10;
constexpr size_t cron_payload_bytes_total_max = size_t{4} << 20;  // of all: CRON LIST fits one reply
constexpr int64_t cron_every_ms_min = 1000;
constexpr int64_t cron_every_ms_max = int64_t{366} * 24 * 3600 * 1000;
constexpr int64_t cron_grace_ms = 60'000;  // a slot found later than this was missed
constexpr size_t cron_catch_up_max = 100;  // slots made up for at once; the older ones stay missed
constexpr int64_t cron_look_back_ms = int64_t{31} * 24 * 3600 * 1000;  // slots before that are not counted

// Incidents.
constexpr size_t incidents_open_max = 1000;
constexpr size_t incidents_closed_max = 10'000;  // kept; the oldest go
constexpr size_t incident_title_bytes_max = 256;
constexpr size_t incident_fingerprint_bytes_max = 256;
constexpr size_t incident_note_bytes_max = 4096;
constexpr size_t incident_notes_max = 100;     // of one incident; the oldest go
constexpr size_t incident_subjects_max = 100;  // roles, and daemons, of one incident

// Server.
constexpr size_t connections_default = 10'000;
constexpr size_t unauthenticated_args_max = 10;
constexpr size_t unauthenticated_bytes_max = size_t{16} << 10;
constexpr size_t password_bytes_max = 1024;
constexpr size_t password_checks_max = 256;             // of users' hashes, waiting and running
constexpr int wrong_passwords_max = 3;                  // of one connection
constexpr size_t output_soft_bytes = size_t{8} << 20;   // stop reading this client
constexpr size_t output_hard_bytes = size_t{64} << 20;  // close it
constexpr size_t commands_per_turn = 256;               // of one connection
constexpr size_t bytes_per_turn = size_t{1} << 20;      // of one connection
constexpr int64_t request_deadline_ms = 30'000;         // a half-sent request
constexpr int64_t handshake_deadline_ms = 10'000;       // first byte to first whole command, unauthenticated
constexpr size_t batch_bytes_max = size_t{16} << 20;    // seal early

static_assert(payload_bytes_default <= payload_bytes_ceiling);
static_assert(payload_bytes_ceiling * 2 <= command_bytes_max, "a push with headers fits in a command");
static_assert(window_entries_min <= window_entries_max);
static_assert(output_soft_bytes < output_hard_bytes);
static_assert(reply_bytes_max + payload_bytes_ceiling < output_hard_bytes);

}  // namespace pawl::limits
