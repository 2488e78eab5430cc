// notify stats.
#include "cli/dispatch.h"
#include "cli/shapes.h"

namespace pawl::cli {

int run_notify_stats(Session* session) {
  const auto reply = session->ask({"INCIDENT", "NOTICES"});
  if (!reply) return session->exit_code();
  const Json counts = maps_to_json(*reply);
  if (session->out.json()) {
    session->out.document(counts);
    return exit_ok;
  }
  const Json::Array& channels = *counts.as_array();
  if (channels.empty()) {
    session->out.line("no channels: no [[notify]] of the bus's file names tiers");
    return exit_ok;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& channel : channels) {
    std::string rules;
    const Json* held = channel.field("held");
    if (held != nullptr && held->as_object() != nullptr) {
      for (const auto& [rule, count] : *held->as_object()) {
        rules +=
            (rules.empty() ? "" : ", ") + rule + " " + std::to_string(count.as_int() ? *count.as_int() : 0);
      }
    }
    rows.push_back({cell_of(channel, "channel"), count_cell(channel, "raised"), count_cell(channel, "sent"),
                    count_cell(channel, "suppressed"), count_cell(channel, "folded"), rules,
                    count_cell(channel, "later")});
  }
  print_table(&session->out,
              {"channel", ">raised", ">sent", ">suppressed", ">folded", "held", ">by the clock"}, rows);
  return exit_ok;
}

}  // namespace pawl::cli
