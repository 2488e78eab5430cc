#include "runner/spool.h"

#include <unistd.h>

#include <algorithm>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "bus/client/json.h"
#include "runner/files.h"

namespace pawl::runner {
namespace {

using client::Json;

constexpr int64_t format_version = 1;
constexpr std::string_view ending_of_name = ".outcome";
constexpr const char* advice =
    "; name a folder of this machine that can be written as [run] spool or --spool";

std::string encode(const SpooledOutcome& outcome) {
  Json::Array settle;
  for (const std::string& word : outcome.settle) settle.emplace_back(word);
  Json document;
  document.set("spool", format_version);
  document.set("id", outcome.id);
  document.set("token", outcome.token);
  document.set("role", outcome.role);
  document.set("delivery", outcome.delivery);
  document.set("daemon", outcome.daemon);
  document.set("ending", outcome.ending);
  document.set("at", outcome.at_ms);
  document.set("settle", std::move(settle));
  return client::dump(document) + "\n";
}

bool take_text(const Json& document, const char* name, std::string* into) {
  const Json* value = document.field(name);
  if (!value || !value->as_string()) return false;
  *into = *value->as_string();
  return true;
}

// Whether the command is one that reports such an ending.
bool fits(const SpooledOutcome& outcome) {
  const std::string& verb = outcome.settle[0];
  if (outcome.ending == "handled") return verb == "ACK";
  if (outcome.ending == "released") return verb == "RELEASE";
  // FAIL id token class text
  return (outcome.ending == "failed" || outcome.ending == "cancelled") && verb == "FAIL" &&
         outcome.settle.size() >= 5;
}

Result<SpooledOutcome> decode(const std::string& text) {
  const auto document = client::parse_json(text);
  if (!document) return document.error();
  const Json* version = document->field("spool");
  if (!version || !version->as_int()) return make_error(Code::err, "it is no outcome");
  if (*version->as_int() != format_version) return make_error(Code::err, "another version of pawl wrote it");
  SpooledOutcome outcome;
  const bool named =
      take_text(*document, "id", &outcome.id) && take_text(*document, "token", &outcome.token) &&
      take_text(*document, "role", &outcome.role) && take_text(*document, "delivery", &outcome.delivery) &&
      take_text(*document, "daemon", &outcome.daemon) && take_text(*document, "ending", &outcome.ending);
  const Json* settle = document->field("settle");
  const bool whole = named && well_formed_id(outcome.id) && well_formed_id(outcome.token) && settle &&
                     settle->as_array() && settle->as_array()->size() >= 3;
  if (!whole) return make_error(Code::err, "something of it is missing");
  for (const Json& word : *settle->as_array()) {
    auto bytes = client::bytes_of(word);
    if (!bytes) return bytes.error();
    outcome.settle.push_back(std::move(*bytes));
  }
  if (outcome.settle[1] != outcome.id || outcome.settle[2] != outcome.token) {
    return make_error(Code::err, "it reports another message than it names");
  }
  if (!fits(outcome)) return make_error(Code::err, "its report is none of a " + outcome.ending + " message");
  if (const Json* at = document->field("at"); at && at->as_int()) outcome.at_ms = *at->as_int();
  return outcome;
}

}  // namespace

Result<Spool> Spool::open(const std::string& folder) {
  auto lock = FolderLock::take(folder);
  if (!lock && lock.error().code == Code::state) {
    return make_error(Code::state, "the spool " + folder + " is in use by " + lock.error().text +
                                       "; two runners with one name on one machine: give this one another "
                                       "with --name or [run] name");
  }
  if (!lock) return make_error(Code::err, "the spool cannot be used: " + lock.error().text + advice);
  // Handlers get paths within it, whatever folder they work in.
  Spool spool(std::move(*lock));
  if (Status made = make_folders(spool.folder_of("prompts")); !made) {
    return make_error(Code::err, "the spool cannot be used: " + made.error().text + advice);
  }
  return spool;
}

std::string Spool::path_of(const std::string& id, const std::string& token) const {
  return folder() + "/" + id + "-" + token + std::string(ending_of_name);
}

Status Spool::put(const SpooledOutcome& outcome) {
  return write_file(path_of(outcome.id, outcome.token), encode(outcome), 0600, true);
}

void Spool::remove(const std::string& id, const std::string& token) {
  // Not synced: one that comes back after a power failure finds its token spent.
  unlink(path_of(id, token).c_str());
}

std::vector<SpooledOutcome> Spool::load(std::vector<std::string>* complaints) const {
  // A result, twice as many bytes as base64, and the rest.
  constexpr size_t file_bytes_max = limits::command_bytes_max * 2;
  std::vector<SpooledOutcome> outcomes;
  for (const std::string& name : names_in(folder())) {
    const std::string path = folder() + "/" + name;
    if (name.starts_with('.')) unlink(path.c_str());  // half written when its writer was killed
    if (!name.ends_with(ending_of_name)) continue;
    const auto text = read_file(path, file_bytes_max);
    auto outcome = text ? decode(*text) : Result<SpooledOutcome>(text.error());
    if (outcome) {
      outcomes.push_back(std::move(*outcome));
      continue;
    }
    std::rename(path.c_str(), (path + ".damaged").c_str());
    complaints->push_back(path + " is put aside as .damaged: " + outcome.error().text);
  }
  std::stable_sort(outcomes.begin(), outcomes.end(),
                   [](const auto& a, const auto& b) { return a.at_ms < b.at_ms; });
  return outcomes;
}

}  // namespace pawl::runner
