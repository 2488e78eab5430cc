// incident classify, unknown: what kind of failure it is.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <tuple>
#include <utility>

#include "bus/core/fingerprint.h"
#include "bus/ops/failures.h"
#include "cli/config.h"
#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr std::string_view default_file = "pawl.toml";

struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

// The beginning, as much of an error as the bus looks at; whatever follows is left where it is.
Result<std::string> read_start(const std::string& argument) {
  const bool from_file = argument.size() > 1 && argument[0] == '@' && argument[1] != '@';
  if (argument != "-" && !from_file) {
    return argument.substr(argument.starts_with("@@") ? 1 : 0, ops::told_text_bytes_max);
  }
  const std::string path = from_file ? argument.substr(1) : "standard input";
  errno = 0;
  const std::unique_ptr<std::FILE, CloseFile> file(from_file ? std::fopen(path.c_str(), "rbe") : stdin);
  std::string text(ops::told_text_bytes_max, '\0');
  if (file) text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (!file || std::ferror(file.get()) != 0) {
    return make_error(Code::err, "cannot read " + path + ": " + std::strerror(errno));
  }
  return text;
}

// Those of --config, else of the pawl.toml of this folder, if any.
Result<ops::Classifier> classifier_of(const Arguments& arguments) {
  const auto path = arguments.text("config");
  if (!path && !std::filesystem::exists(default_file)) return ops::Classifier();
  const auto config = load_config(path.value_or(std::string(default_file)));
  if (!config.ok()) return config.error();
  return config->rules.classifier();
}

Result<ops::Failure> failure_of(const Arguments& arguments) {
  ops::Failure failure;
  if (const auto word = arguments.text("source")) {
    const auto source = ops::source_from(*word);
    if (!source) return make_error(Code::badarg, "--source is invocation, daemon or guard, not " + *word);
    failure.source = *source;
  }
  failure.error_class = *core::class_from(arguments.text("class").value_or("unknown"));
  failure.role = arguments.text("role").value_or("");
  failure.daemon = arguments.text("daemon").value_or("");
  failure.guard = arguments.text("guard").value_or("");
  if (!failure.guard.empty()) {
    if (arguments.text("source").value_or("guard") != "guard") {
      return make_error(Code::badarg, "only --source guard has a --guard: leave one of both out");
    }
    failure.source = ops::Source::guard;
  }
  for (const auto& [name, most, into] :
       {std::tuple("exit", 255, &failure.exit_code), std::tuple("signal", 64, &failure.signal)}) {
    const auto number = arguments.number(name);
    if (!number) continue;
    if (*number < 1 || *number > most) {
      return make_error(Code::badarg, "--" + std::string(name) + " is 1 to " + std::to_string(most));
    }
    *into = static_cast<int>(*number);
  }
  if (failure.exit_code && failure.signal) {
    return make_error(Code::badarg, "a process ends with an exit code or by a signal, never both");
  }
  auto text = read_start(arguments.text("text").value_or(""));
  if (!text.ok()) return text.error();
  failure.text = std::move(*text);
  ops::read_ending(failure);
  return failure;
}

Json to_document(const ops::Classified& made, const std::vector<ops::Trial>& trials, bool explains) {
  Json document;
  document.set("class", std::string(core::class_name(made.error_class)));
  document.set("fingerprint", core::fingerprint_text(made.fingerprint));
  document.set("rule", made.rule);
  document.set("known", made.known());
  if (!explains) return document;
  Json::Array items;
  for (const ops::Trial& trial : trials) {
    Json item;
    item.set("rule", trial.rule);
    item.set("matched", trial.matched);
    item.set("why", trial.why);
    items.push_back(std::move(item));
  }
  document.set("trials", Json(std::move(items)));
  return document;
}

}  // namespace

int run_incident_classify(Session* session) {
  const Arguments& arguments = session->arguments;
  const auto failure = failure_of(arguments);
  if (!failure.ok()) {
    return session->fail(failure.error().code == Code::badarg ? exit_usage : exit_failed,
                         failure.error().text);
  }
  const auto classifier = classifier_of(arguments);
  if (!classifier.ok()) return session->fail(exit_failed, classifier.error().text);
  const bool explains = arguments.has("explain");
  const ops::Classified made = classifier->classify(*failure);
  const std::vector<ops::Trial> trials = explains ? classifier->explain(*failure) : std::vector<ops::Trial>();
  Output& out = session->out;
  if (out.json()) {
    out.document(to_document(made, trials, explains));
    return exit_ok;
  }
  size_t width = 0;
  for (const ops::Trial& trial : trials) width = std::max(width, width_of(printable(trial.rule)));
  for (const ops::Trial& trial : trials) {
    std::string rule = printable(trial.rule);
    rule.append(width - width_of(rule), ' ');
    out.line((trial.matched ? out.paint(Color::green, "yes") : "no ") + "  " + rule + "  " +
             shortened(printable(trial.why), 160));
  }
  if (explains) out.line("");
  out.line("class        " + std::string(core::class_name(made.error_class)));
  out.line("fingerprint  " + core::fingerprint_text(made.fingerprint));
  out.line("rule         " +
           (made.rule.empty() ? "none: the class stands as it was reported" : printable(made.rule)));
  return exit_ok;
}

int run_incident_unknown(Session* session) {
  constexpr int64_t groups_default = 20;
  const int64_t wanted = session->arguments.number("count").value_or(groups_default);
  const auto reply = session->ask({"INCIDENT", "UNKNOWN", "COUNT", std::to_string(wanted)});
  if (!reply) return session->exit_code();
  const Json groups = maps_to_json(*reply);
  if (session->out.json()) {
    session->out.document(groups);
    return exit_ok;
  }
  if (groups.as_array()->empty()) {
    session->out.line("no failures that no rule knows");
    return exit_ok;
  }
  bool first = true;
  for (const Json& group : *groups.as_array()) {
    if (!std::exchange(first, false)) session->out.line("");
    std::string line = "# " + count_cell(group, "count") + " times";
    for (const char* name : {"role", "daemon", "guard", "exit", "signal"}) {
      const std::string value = cell_of(group, name);
      if (!value.empty()) line += ", " + std::string(name) + " " + value;
    }
    session->out.line(line + ", last " + cell_of(group, "last"));
    session->out.line("# " + cell_of(group, "example"));
    const Json* rule = group.field("suggested_rule");
    std::string text = rule && rule->as_string() ? printable_lines(*rule->as_string()) : "";
    while (!text.empty() && text.back() == '\n') text.pop_back();
    session->out.line(text);
  }
  session->out.talk("a rule for pawl.toml each; fill in its class, then pawl ops reload");
  return exit_ok;
}

}  // namespace pawl::cli
