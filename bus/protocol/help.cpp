#include "bus/protocol/help.h"

#include <algorithm>
#include <vector>

#include "bus/base/parse.h"
#include "bus/protocol/decode_support.h"

namespace pawl::protocol {
namespace {

constexpr std::string_view since = "0.1.0";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// Rows of one verb, as a range of the table.
using Rows = std::span<const Command>;

std::vector<Rows> rows_by_verb() {
  std::vector<Rows> verbs;
  const Rows table = all_commands();
  for (size_t from = 0; from < table.size();) {
    size_t to = from + 1;
    while (to < table.size() && table[to].verb == table[from].verb) ++to;
    verbs.push_back(table.subspan(from, to - from));
    from = to;
  }
  return verbs;
}

Rows rows_of(std::string_view verb) {
  for (const Rows rows : rows_by_verb()) {
    if (same_word(rows[0].verb, verb)) return rows;
  }
  return {};
}

bool any_row(Rows rows, CommandFlag flag) {
  return std::any_of(rows.begin(), rows.end(), [&](const Command& row) { return row.has(flag); });
}

// Redis: the number of words when it is fixed, minus the least number else.
int64_t redis_arity(Rows rows) {
  int least = rows[0].arity_min;
  bool fixed = true;
  for (const Command& row : rows) {
    least = std::min(least, row.arity_min);
    fixed = fixed && row.arity_max == rows[0].arity_min && row.arity_min == rows[0].arity_min;
  }
  return fixed ? least : -least;
}

// name, arity, flags, first key, last key, step: no word of a command is a key.
void write_info(core::ReplyWriter& out, Rows rows) {
  std::vector<std::string_view> flags;
  flags.push_back(any_row(rows, flag_write) ? "write" : "readonly");
  if (any_row(rows, flag_parkable)) flags.push_back("blocking");
  if (any_row(rows, flag_admin)) flags.push_back("admin");
  if (rows[0].group == CommandGroup::broadcast) flags.push_back("pubsub");
  if (any_row(rows, flag_before_auth)) flags.push_back("no_auth");
  if (any_row(rows, flag_status)) flags.push_back("fast");
  out.array(6);
  out.bulk(lower(rows[0].verb));
  out.integer(redis_arity(rows));
  out.array(flags.size());
  for (const std::string_view flag : flags) out.simple(flag);
  for (int i = 0; i < 3; ++i) out.integer(0);
}

void write_docs(core::ReplyWriter& out, Rows rows) {
  std::string summary;
  for (const Command& row : rows) {
    if (!summary.empty()) summary += ' ';
    summary += rows.size() == 1 ? std::string(row.help) : row.name() + ": " + std::string(row.help);
  }
  std::string usage;
  for (const Command& row : rows) (usage += usage.empty() ? "" : "\n") += row.usage;
  out.bulk(lower(rows[0].verb));
  out.map(4);
  out.bulk("summary");
  out.bulk(summary);
  out.bulk("since");
  out.bulk(since);
  out.bulk("group");
  out.bulk(lower(group_name(rows[0].group)));
  out.bulk("usage");
  out.bulk(usage);
}

void write_infos(core::ReplyWriter& out, Args names) {
  if (names.empty()) {
    const std::vector<Rows> verbs = rows_by_verb();
    out.array(verbs.size());
    for (const Rows rows : verbs) write_info(out, rows);
    return;
  }
  out.array(names.size());
  for (const std::string_view name : names) {
    const Rows rows = rows_of(name);
    if (rows.empty()) {
      out.nil();
    } else {
      write_info(out, rows);
    }
  }
}

void write_all_docs(core::ReplyWriter& out, Args names) {
  std::vector<Rows> verbs;
  for (const std::string_view name : names) {
    const Rows rows = rows_of(name);
    if (!rows.empty()) verbs.push_back(rows);
  }
  if (names.empty()) verbs = rows_by_verb();
  out.map(verbs.size());
  for (const Rows rows : verbs) write_docs(out, rows);
}

std::string help_lines(Rows rows) {
  std::string text;
  for (const Command& row : rows) {
    text += std::string(row.usage) + "\n    " + std::string(row.help) + '\n';
  }
  return text;
}

}  // namespace

void write_command_reply(core::ReplyWriter& out, Args args) {
  const std::vector<Rows> verbs = rows_by_verb();
  if (args.empty()) return write_infos(out, {});
  const std::string_view word = args[0];
  if (same_word(word, "COUNT") && args.size() == 1) return out.integer(static_cast<int64_t>(verbs.size()));
  if (same_word(word, "LIST") && args.size() == 1) {
    out.array(verbs.size());
    for (const Rows rows : verbs) out.bulk(lower(rows[0].verb));
    return;
  }
  if (same_word(word, "INFO")) return write_infos(out, args.subspan(1));
  if (same_word(word, "DOCS")) return write_all_docs(out, args.subspan(1));
  out.error(badarg("unknown option " + quoted(word) + "; COMMAND takes COUNT, LIST, INFO, DOCS"));
}

std::string help_text() {
  std::string text;
  for (size_t group = 0; group < command_group_count; ++group) {
    if (!text.empty()) text += '\n';
    text += std::string(group_name(static_cast<CommandGroup>(group))) + "\n\n";
    for (const Rows rows : rows_by_verb()) {
      if (rows[0].group == static_cast<CommandGroup>(group)) text += help_lines(rows);
    }
  }
  return text;
}

std::string help_for(std::string_view verb) { return help_lines(rows_of(verb)); }

}  // namespace pawl::protocol
