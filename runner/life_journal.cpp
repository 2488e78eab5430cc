#include "runner/life_journal.h"

#include <algorithm>

#include "bus/client/json.h"

namespace pawl::runner {
namespace {

constexpr const char* file_name = "chronicle";
constexpr size_t value_bytes_max = 1024;  // of a field of EVENT ADD

// At most so many bytes, not ending inside a UTF-8 sequence.
std::string cut(std::string text) {
  if (text.size() <= value_bytes_max) return text;
  size_t end = value_bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text;
}

std::string text_in(const client::Json& object, const char* name) {
  const client::Json* value = object.field(name);
  const auto bytes = value ? client::bytes_of(*value) : Result<std::string>(std::string());
  return bytes ? *bytes : std::string();
}

int64_t number_in(const client::Json& object, const char* name) {
  const client::Json* value = object.field(name);
  return value && value->as_int() ? *value->as_int() : 0;
}

}  // namespace

LifeJournal::LifeJournal(const UpFolder& folder, std::string source)
    : folder_(folder), source_(std::move(source)) {}

// A line that cannot be read was cut short by a power loss; what stands before it is as good as ever.
void LifeJournal::recall() {
  for (const std::string& line : folder_.lines(file_name)) {
    const auto parsed = client::parse_json(line);
    if (!parsed || !parsed->as_object()) continue;
    Entry entry;
    entry.source = text_in(*parsed, "source");
    entry.number = static_cast<uint64_t>(number_in(*parsed, "number"));
    entry.kind = text_in(*parsed, "kind");
    entry.dropped = number_in(*parsed, "dropped");
    if (const client::Json* fields = parsed->field("fields"); fields && fields->as_object()) {
      for (const auto& [name, value] : *fields->as_object()) {
        if (const auto bytes = client::bytes_of(value)) entry.fields.emplace_back(name, *bytes);
      }
    }
    if (!entry.source.empty() && entry.number != 0 && !entry.kind.empty()) {
      entries_.push_back(std::move(entry));
    }
  }
}

Status LifeJournal::add(std::string_view kind, int64_t wall_ms, const Fields& fields) {
  Entry entry;
  entry.source = source_;
  entry.number = next_number_++;
  entry.kind = "launcher." + std::string(kind);
  for (const auto& [name, value] : fields) {
    if (!value.empty()) entry.fields.emplace_back(name, cut(value));
  }
  entry.fields.emplace_back("happened", std::to_string(wall_ms));
  entries_.push_back(std::move(entry));
  make_room();
  return save();
}

// The oldest that is not on its way makes room; it takes the place of what it stands for, so numbers go on
// growing.
void LifeJournal::make_room() {
  if (entries_.size() <= entries_max) return;
  const auto oldest = entries_.begin() + (on_its_way_ ? 1 : 0);
  const auto second = oldest + 1;
  const int64_t dropped = std::max<int64_t>(1, oldest->dropped) + std::max<int64_t>(1, second->dropped);
  second->kind = "launcher.gap";
  second->dropped = dropped;
  second->fields = {{"dropped", std::to_string(dropped)},
                    {"reason", "the bus was away for so long that no more could be kept"}};
  entries_.erase(oldest);
}

Status LifeJournal::save() const {
  std::string text;
  for (const Entry& entry : entries_) {
    client::Json fields = client::Json::Object();
    for (const auto& [name, value] : entry.fields) fields.set(name, value);
    client::Json line;
    line.set("source", entry.source);
    line.set("number", static_cast<int64_t>(entry.number));
    line.set("kind", entry.kind);
    if (entry.dropped != 0) line.set("dropped", entry.dropped);
    line.set("fields", std::move(fields));
    text += client::dump(line) + "\n";
  }
  return folder_.save_lines(file_name, text);
}

client::Command LifeJournal::next() {
  const Entry& entry = entries_.front();
  client::Command command = {
      "EVENT", "ADD", entry.kind, "source", entry.source, "number", std::to_string(entry.number)};
  for (const auto& [name, value] : entry.fields) command.insert(command.end(), {name, value});
  on_its_way_ = true;
  return command;
}

Status LifeJournal::told() {
  on_its_way_ = false;
  entries_.pop_front();
  return save();
}

}  // namespace pawl::runner
