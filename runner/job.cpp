#include "cli/exec_job.h"

#include "cli/json.h"
#include "cli/kill_flags.h"
#include "cli/outcome.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
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

client::Command ack_command(const ExecJob& job, std::string result) {
  client::Command command = {"ACK", job.id, job.token};
  if (!result.empty()) {
    command.push_back("RESULT");
    command.push_back(std::move(result));
  }
  append_usage(job.report, &command);
  return command;
}

}  // namespace

Result<runner::HandlerSpec> handler_spec(const client::Reply& claim, const ExecOptions& options,
                                         const client::Endpoint& endpoint, int64_t now_ms) {
  const client::Reply* headers = claim.field("headers");
  const std::string header_object = headers && !headers->items.empty() ? dump(map_to_json(*headers)) : "{}";
  if (header_object.size() > variable_bytes_max) {
    return make_error(Code::badarg, "headers of " + std::to_string(header_object.size()) +
                                        " bytes do not fit into the environment (PAWL_HEADERS)");
  }
  const int64_t lease_end = claim.int_of("deadline").value_or(0);
  const int64_t deadline = options.timeout_ms ? wall_now_ms() + *options.timeout_ms : lease_end;
  runner::HandlerSpec spec;
  spec.command = options.command;
  spec.input = claim.text_of("payload");
  spec.output_bytes_max = result_bytes_max;
  if (options.timeout_ms) spec.deadline_ms = now_ms + *options.timeout_ms;
  spec.environment = {"PAWL_URL=" + endpoint.url(),
                      "PAWL_ID=" + claim.text_of("id"),
                      "PAWL_ROLE=" + claim.text_of("role"),
                      "PAWL_CLAIM=" + claim.text_of("token"),
                      "PAWL_DELIVERY=" + claim.text_of("delivery"),
                      "PAWL_ATTEMPT=" + claim.text_of("attempt"),
                      "PAWL_DEADLINE=" + std::to_string(deadline),
                      "PAWL_HEADERS=" + header_object};
  if (const std::string folder = folder_of(endpoint); !folder.empty()) {
    spec.environment.push_back("PAWL_KILL_FILE=" + folder + "/KILL");
  }
  return spec;
}

client::Command extend_command(const ExecJob& job, const ExecOptions& options) {
  client::Command command = {"EXTEND", job.id, job.token};
  if (options.lease_ms) {
    command.push_back("LEASE");
    command.push_back(std::to_string(*options.lease_ms));
  }
  if (job.report.progress || !job.report.note.empty()) {
    command.push_back("PROGRESS");
    command.push_back(std::to_string(job.report.progress.value_or(0)));
    command.push_back(job.report.note);
  }
  append_usage(job.report, &command);
  return command;
}

client::Command release_command(const ExecJob& job) { return {"RELEASE", job.id, job.token, "DELAY", "0"}; }

client::Command cancelled_command(const ExecJob& job) {
  return {"FAIL", job.id, job.token, "cancelled", "cancelled before it began"};
}

void prepare_settle(ExecJob* job, const runner::HandlerResult& ended, const ExecOptions& options) {
  Outcome outcome = outcome_of(ended, job->report, options.timeout_ms.value_or(0));
  if (outcome.ok) {
    job->ending = ExecJob::Ending::handled;
    job->output = ended.output;
    job->output_bytes = ended.output_bytes;
    job->settle = ack_command(*job, std::move(outcome.result));
    return;
  }
  if (job->told_to_stop && !job->cancelled) {
    job->ending = ExecJob::Ending::released;
    job->settle = release_command(*job);
    return;
  }
  job->ending = job->cancelled ? ExecJob::Ending::cancelled : ExecJob::Ending::failed;
  client::Command command = {"FAIL", job->id, job->token, job->cancelled ? "cancelled" : outcome.error_class,
                             outcome.error_text};
  if (outcome.retry_in_ms) {
    command.push_back("RETRYIN");
    command.push_back(std::to_string(*outcome.retry_in_ms));
  }
  append_usage(job->report, &command);
  job->settle = std::move(command);
}

bool shrink_result(ExecJob* job) {
  if (job->ending != ExecJob::Ending::handled || job->output.size() <= shrunk_result_bytes) return false;
  job->settle = ack_command(*job, cut_with_mark(job->output, job->output_bytes, shrunk_result_bytes));
  job->output.resize(shrunk_result_bytes);
  return true;
}

}  // namespace pawl::cli
