#include "runner/prompt_store.h"

#include <unistd.h>

#include "runner/files.h"

namespace pawl::runner {

PromptCopy::~PromptCopy() { unlink(path_.c_str()); }

void PromptStore::clear() const {
  for (const std::string& name : names_in(folder_)) unlink((folder_ + "/" + name).c_str());
}

Result<std::shared_ptr<const PromptCopy>> PromptStore::keep(const std::string& text,
                                                            const std::string& version,
                                                            const std::string& name) {
  const std::string file = version + "-" + name;
  std::weak_ptr<const PromptCopy>& kept = kept_[file];
  if (auto copy = kept.lock()) return copy;
  std::erase_if(kept_, [&](const auto& one) { return one.first != file && one.second.expired(); });
  const std::string path = folder_ + "/" + file;
  if (Status written = write_file(path, text, 0400, false); !written) return written.error();
  auto copy = std::make_shared<const PromptCopy>(path);
  kept = copy;
  return copy;
}

}  // namespace pawl::runner
