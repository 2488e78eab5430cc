#include "runner/start_order.h"

#include <algorithm>
#include <functional>

#include "bus/base/parse.h"

namespace pawl::runner {
namespace {

enum class Mark : uint8_t { fresh, open, placed };

size_t index_of(const std::vector<DaemonSpec>& daemons, const std::string& name) {
  const auto at = std::find_if(daemons.begin(), daemons.end(),
                               [&](const DaemonSpec& daemon) { return daemon.name == name; });
  return static_cast<size_t>(at - daemons.begin());
}

std::string place_of(const DaemonSpec& daemon) {
  return (daemon.source.empty() ? "" : daemon.source + ": ") + "daemon." + daemon.name;
}

Error unknown(const std::vector<DaemonSpec>& daemons, const DaemonSpec& daemon, const std::string& name) {
  std::vector<std::string> known;
  std::string all;
  for (const DaemonSpec& other : daemons) {
    if (other.name == daemon.name) continue;
    known.push_back(other.name);
    all += " " + other.name;
  }
  const std::string near = nearest_word(name, known);
  return make_error(Code::badarg, place_of(daemon) + ".after names \"" + name + "\", which nobody starts; " +
                                      (near.empty() ? "there are" + all : "did you mean \"" + near + "\"?"));
}

struct Walk {
  const std::vector<DaemonSpec>& daemons;
  std::vector<Mark> marks;
  std::vector<size_t> path;  // open ones, outermost first
  std::vector<size_t> order;

  Error cycle(size_t back_to) const {
    std::string text;
    for (auto at = std::find(path.begin(), path.end(), back_to); at != path.end(); ++at) {
      text += daemons[*at].name + " after ";
    }
    text += daemons[back_to].name;
    return make_error(Code::badarg, place_of(daemons[path.back()]) + ".after closes a circle: " + text +
                                        "; take one of them out");
  }

  Status place(size_t index) {
    if (marks[index] == Mark::placed) return {};
    if (marks[index] == Mark::open) return cycle(index);
    marks[index] = Mark::open;
    path.push_back(index);
    for (const std::string& name : daemons[index].after) {
      const size_t other = index_of(daemons, name);
      if (other == daemons.size()) return unknown(daemons, daemons[index], name);
      if (const Status status = place(other); !status.ok()) return status.error();
    }
    path.pop_back();
    marks[index] = Mark::placed;
    order.push_back(index);
    return {};
  }
};

}  // namespace

Result<std::vector<size_t>> start_order(const std::vector<DaemonSpec>& daemons) {
  Walk walk{daemons, std::vector<Mark>(daemons.size(), Mark::fresh), {}, {}};
  for (size_t i = 0; i < daemons.size(); ++i) {
    if (const Status status = walk.place(i); !status.ok()) return status.error();
  }
  return walk.order;
}

}  // namespace pawl::runner
