// A reply map whose size is known only at its end: the pairs are collected first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/core/fingerprint.h"
#include "bus/core/records.h"
#include "bus/core/reply.h"

namespace pawl::core {

class Fields {
 public:
  void text(std::string_view name, std::string value) {
    fields_.push_back({name, std::move(value), 0, false});
  }
  void number(std::string_view name, int64_t value) { fields_.push_back({name, {}, value, true}); }
  size_t size() const { return fields_.size(); }
  // Null where there is none of that name, or it is a number.
  const std::string* text_of(std::string_view name) const {
    for (const Field& field : fields_) {
      if (field.name == name && !field.numeric) return &field.bytes;
    }
    return nullptr;
  }
  void write(ReplyWriter& writer) const {
    for (const Field& field : fields_) {
      writer.bulk(field.name);
      if (field.numeric) {
        writer.integer(field.value);
      } else {
        writer.bulk(field.bytes);
      }
    }
  }

 private:
  struct Field {
    std::string_view name;
    std::string bytes;
    int64_t value;
    bool numeric;
  };
  std::vector<Field> fields_;
};

// What the newest failure was, if there was one.
inline void add_error(Fields& fields, const LifeRecord& life) {
  if (!life.has_error) return;
  fields.text("error_class", std::string(class_name(life.error_class)));
  fields.text("error_text", life.error_text);
  fields.text("fingerprint", fingerprint_text(life.fingerprint));
}

}  // namespace pawl::core
