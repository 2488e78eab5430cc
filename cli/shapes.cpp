#include "cli/shapes.h"

#include <algorithm>

namespace pawl::cli {
namespace {

using client::Reply;

// Maps inside maps, by name (contract, section 2).
bool is_map_name(std::string_view name) {
  constexpr std::string_view names[] = {"headers", "breaker", "values", "held", "evidence"};
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool looks_like_map(const Reply& reply) {
  if (!reply.is_array() || reply.items.empty() || reply.items.size() % 2 != 0) return false;
  for (size_t i = 0; i < reply.items.size(); i += 2) {
    if (!reply.items[i].is_textual()) return false;
  }
  return true;
}

Json field_to_json(std::string_view name, const Reply& value) {
  if (!value.is_array()) return to_json(value);
  if (is_map_name(name)) return map_to_json(value);
  // A list of arrays is a list of maps wherever the bus has one.
  const bool list_of_maps =
      !value.items.empty() && std::all_of(value.items.begin(), value.items.end(), looks_like_map);
  return list_of_maps ? maps_to_json(value) : to_json(value);
}

}  // namespace

Json to_json(const Reply& reply) {
  switch (reply.kind) {
    case Reply::Kind::nil:
      return {};
    case Reply::Kind::integer:
      return Json(reply.number);
    case Reply::Kind::text:
    case Reply::Kind::simple:
      return Json(reply.bytes);
    case Reply::Kind::error: {
      Json object;
      object.set("error", reply.bytes);
      return object;
    }
    case Reply::Kind::array: {
      Json::Array items;
      for (const Reply& item : reply.items) items.push_back(to_json(item));
      return Json(std::move(items));
    }
  }
  return {};
}

Json map_to_json(const Reply& reply) {
  if (!reply.is_array() || reply.items.size() % 2 != 0) return to_json(reply);
  Json::Object fields;
  for (size_t i = 0; i < reply.items.size(); i += 2) {
    const std::string name = reply.items[i].as_text();
    fields.emplace_back(name, field_to_json(name, reply.items[i + 1]));
  }
  return Json(std::move(fields));
}

Json maps_to_json(const Reply& reply) {
  Json::Array items;
  for (const Reply& item : reply.items) items.push_back(map_to_json(item));
  return Json(std::move(items));
}

}  // namespace pawl::cli
