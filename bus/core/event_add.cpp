// EVENT ADD: entries of the chronicle that daemons and people write, each once.
#include <utility>

#include "bus/core/machine.h"

namespace pawl::core {
namespace {

std::string source_key(std::string_view source) { return std::string(keys::source_prefix) += source; }

}  // namespace

void Machine::apply_event_add(const Caller& caller, const op::EventAdd& add, ReplyWriter& writer) {
  Headers fields;
  if (!add.source.empty()) {
    const std::string key = source_key(add.source);
    const bool known = view_.get(Table::meta, key, row_) && row_.size() == 16;
    if (known && keys::read_be(row_, 0, 8) >= add.number) return writer.integer(0);
    view_.put(Table::meta, key, keys::number(add.number) + keys::number(head_.next_event));
    fields = {{"source", std::string(add.source)}, {"number", std::to_string(add.number)}};
  }
  for (const auto& [name, value] : add.fields) fields.emplace_back(name, value);
  if (!caller.name.empty()) fields.emplace_back("by", std::string(caller.name));
  writer.integer(static_cast<int64_t>(head_.next_event));
  chronicle(add.kind, std::move(fields));
}

void forget_source(Overlay& view, const EventRecord& event, uint64_t number) {
  for (const auto& [name, value] : event.fields) {
    if (name != "source") continue;
    const std::string key = source_key(value);
    std::string row;
    if (view.get(Table::meta, key, row) && row.size() == 16 && keys::read_be(row, 8, 8) == number) {
      view.erase(Table::meta, key);
    }
    return;
  }
}

}  // namespace pawl::core
