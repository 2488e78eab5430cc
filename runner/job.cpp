#include "runner/job.h"

#include <algorithm>

#include "bus/client/json.h"
#include "runner/clock.h"
#include "runner/prompt_store.h"

namespace pawl::runner {
namespace {

// Linux takes at most 128 KiB in one variable, name and end included.
constexpr size_t variable_bytes_max = 120 * 1024;
constexpr size_t shrunk_result_bytes = 4096;

void append_usage(const HandlerReport& report, client::Command* command) {
  if (report.tokens) {
    command->push_back("TOKENS");
    command->push_back(std::to_string(*report.tokens));
  }
  if (report.cost_micro) {
    command->push_back("COST");
    command->push_back(std::to_string(*report.cost_micro));
  }
}

// Said again only where it is another one than the claim was made with.
void append_version(const Job& job, client::Command* command) {
  if (!job.setup || job.setup->version == job.claimed_version) return;
  command->push_back("VERSION");
  command->push_back(job.setup->version);
}

std::string header_object(const client::Reply* headers) {
  client::Json object = client::Json::Object();
  for (size_t i = 0; headers && i + 1 < headers->items.size(); i += 2) {
    object.set(headers->items[i].as_text(), headers->items[i + 1].as_text());
  }
  return client::dump(object);
}

client::Command ack_command(const Job& job, std::string result) {
  client::Command command = {"ACK", job.id, job.token};
  if (!result.empty()) {
    command.push_back("RESULT");
    command.push_back(std::move(result));
  }
  append_usage(job.report, &command);
  append_version(job, &command);
  return command;
}

}  // namespace

Result<HandlerSpec> handler_spec(const client::Reply& claim, const Setup& setup,
                                 const Surroundings& surroundings, int64_t now_ms) {
  const std::string headers = header_object(claim.field("headers"));
  if (headers.size() > variable_bytes_max) {
    return make_error(Code::badarg, "headers of " + std::to_string(headers.size()) +
                                        " bytes do not fit into the environment (PAWL_HEADERS)");
  }
  const int64_t lease_end = claim.int_of("deadline").value_or(0);
  const int64_t deadline = setup.timeout_ms ? wall_now_ms() + *setup.timeout_ms : lease_end;
  HandlerSpec spec;
  spec.command = setup.command;
  spec.input = claim.text_of("payload");
  spec.output_bytes_max = result_bytes_max;
  if (setup.timeout_ms) spec.deadline_ms = now_ms + *setup.timeout_ms;
  spec.environment = {"PAWL_URL=" + surroundings.url,
                      "PAWL_ID=" + claim.text_of("id"),
                      "PAWL_ROLE=" + claim.text_of("role"),
                      "PAWL_CLAIM=" + claim.text_of("token"),
                      "PAWL_DELIVERY=" + claim.text_of("delivery"),
                      "PAWL_ATTEMPT=" + claim.text_of("attempt"),
                      "PAWL_DEADLINE=" + std::to_string(deadline),
                      "PAWL_HEADERS=" + headers};
  for (const char* name : workers_own_variables) spec.environment.emplace_back(name);
  const std::string without = claim.text_of("limp");
  spec.environment.push_back(without.empty() ? "PAWL_LIMP" : "PAWL_LIMP=" + without);
  if (!setup.prompt) spec.environment.emplace_back("PAWL_PROMPT");
  if (!surroundings.kill_file.empty()) spec.environment.push_back("PAWL_KILL_FILE=" + surroundings.kill_file);
  if (setup.prompt) spec.environment.push_back("PAWL_PROMPT=" + setup.prompt->path());
  return spec;
}

client::Command extend_command(const Job& job) {
  client::Command command = {"EXTEND", job.id, job.token};
  if (job.setup && job.setup->lease_ms) {
    command.push_back("LEASE");
    command.push_back(std::to_string(*job.setup->lease_ms));
  }
  if (job.report.progress || !job.report.note.empty()) {
    command.push_back("PROGRESS");
    command.push_back(std::to_string(job.report.progress.value_or(0)));
    command.push_back(job.report.note);
  }
  append_usage(job.report, &command);
  append_version(job, &command);
  return command;
}

client::Command release_command(const Job& job) { return {"RELEASE", job.id, job.token, "DELAY", "0"}; }

client::Command cancelled_command(const Job& job) {
  return {"FAIL", job.id, job.token, "cancelled", "cancelled before it began"};
}

void prepare_settle(Job* job, const HandlerResult& ended) {
  Outcome outcome = outcome_of(ended, job->report, job->setup->rules, job->setup->timeout_ms.value_or(0));
  if (outcome.ok) {
    job->ending = Job::Ending::handled;
    job->output_bytes = ended.output_bytes;
    job->settle = ack_command(*job, std::move(outcome.result));
    return;
  }
  if (job->told_to_stop && !job->cancelled) {
    job->ending = Job::Ending::released;
    job->settle = release_command(*job);
    return;
  }
  job->ending = job->cancelled ? Job::Ending::cancelled : Job::Ending::failed;
  client::Command command = {"FAIL", job->id, job->token, job->cancelled ? "cancelled" : outcome.error_class,
                             outcome.error_text};
  if (outcome.retry_in_ms) {
    command.push_back("RETRYIN");
    command.push_back(std::to_string(*outcome.retry_in_ms));
  }
  append_usage(job->report, &command);
  append_version(*job, &command);
  job->settle = std::move(command);
}

bool shrink_result(Job* job) {
  // ACK id token RESULT bytes
  client::Command& settle = *job->settle;
  const bool has_result = job->ending == Job::Ending::handled && settle.size() > 4 && settle[3] == "RESULT";
  if (!has_result || settle[4].size() <= shrunk_result_bytes) return false;
  settle[4] =
      cut_with_mark(settle[4], std::max<uint64_t>(job->output_bytes, settle[4].size()), shrunk_result_bytes);
  return true;
}

}  // namespace pawl::runner
