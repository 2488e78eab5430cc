// Load in shapes, and what each request costs the server; the client of tools/bench/scale.
//
//   bench_crowd MODE NAME=VALUE… [-- WORD…]…          names: the members of Plan in crowd_phase.h
//     push -- PUSH …              pushes `ops` messages, numbered from `first`
//     cycle -- PUSH … -- CLAIM …  pushes `ops` messages, claims as many (one a request), acknowledges them
//     claims -- CLAIM …           claims and acknowledges as cycle does, without pushing
//     drain -- CLAIM … COUNT …    claims and acknowledges `ops` messages, many at a time, over one connection
//     lone -- CLAIM …             claim, acknowledge, claim, … one after another over one connection
//     hold [-- WORD …]            opens the connections, sends each the words, says "held" and waits for the
//     end of
//                                 its input; words that wait are not waited for
//     deliver -- PUSH … -- CLAIM …  all connections wait in a CLAIM; pushes meet them. `depth` pushes in
//     flight; with 1
//                                 and a `probe` folder each is followed by a sync of a small file, to compare
//                                 with
//     beat -- BEAT …              `rate` a second: `ops` of them, then for `seconds`, with figures
//     soak                        a mixed load for `seconds`, a line of figures every ten seconds
// Words are templates (crowd_client.h). Lines of JSON on stdout: processor times are microseconds of the
// server for one request.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/crowd_phase.h"

namespace {

using namespace pawl::bench;
bool is_no_error(const redisReply& reply) { return reply.type != REDIS_REPLY_ERROR; }

void push(const Plan& plan, Crowd& crowd, const Words& words) {
  const Template request(words, plan.bytes);
  uint64_t n = plan.first;
  run(plan, crowd,
      {"push",
       [&](std::string& out) {
         request.append(out, n++);
         return true;
       },
       is_no_error});
}

void claim_and_acknowledge(const Plan& plan, Crowd& crowd, const Words& words) {
  const Template request(words, plan.bytes);
  uint64_t n = plan.first;
  std::vector<Claim> claims;
  run(plan, crowd,
      {"claim",
       [&](std::string& out) {
         request.append(out, n++);
         return true;
       },
       [&](const redisReply& reply) {
         const size_t before = claims.size();
         collect(reply, claims);
         return claims.size() > before;
       }});
  size_t next = 0;
  run(plan, crowd,
      {"ack",
       [&](std::string& out) {
         if (next == claims.size()) return false;
         out += command({"ACK", claims[next].first, claims[next].second});
         ++next;
         return true;
       },
       is_no_error});
}

void lone(const Plan& plan, const Words& words) {
  const Template request(words, plan.bytes);
  Link link(plan.port);
  std::vector<Claim> claims;
  Latencies latencies;
  const Processor before = processor_of(plan.pid);
  const int64_t began = clock_us();
  for (uint64_t n = 0; n < plan.ops; ++n) {
    const int64_t asked = clock_us();
    std::string text;
    request.append(text, plan.first + n);
    claims.clear();
    collect(*link.ask(text), claims);
    if (claims.empty()) fail("nothing to claim after " + std::to_string(n));
    link.ask(command({"ACK", claims[0].first, claims[0].second}));
    latencies.record(clock_us() - asked);
  }
  const auto ops = static_cast<double>(plan.ops);
  const double seconds = static_cast<double>(clock_us() - began) / 1e6;
  const Processor after = processor_of(plan.pid);
  std::printf(
      R"({"what": "claim+ack", "ops": %llu, "per_second": %.0f, "p50_us": %lld, "p99_us": %lld, "cpu_us": %.3f})"
      "\n",
      static_cast<unsigned long long>(plan.ops), ops / seconds,
      static_cast<long long>(latencies.percentile(0.5)), static_cast<long long>(latencies.percentile(0.99)),
      static_cast<double>(after.all_ns - before.all_ns) / 1e3 / ops);
}

void drain(const Plan& plan, const Words& words) {
  const Template request(words, plan.bytes);
  Link link(plan.port);
  std::vector<Claim> claims;
  const Processor before = processor_of(plan.pid);
  const int64_t began = clock_us();
  for (uint64_t done = 0; done < plan.ops; done += claims.size()) {
    std::string text;
    request.append(text, done);
    claims.clear();
    collect(*link.ask(text), claims);
    if (claims.empty()) fail("nothing to claim after " + std::to_string(done));
    Words acknowledgement = {"MACK"};
    for (const auto& [id, token] : claims) acknowledgement.insert(acknowledgement.end(), {id, token});
    link.ask(command(acknowledgement));
  }
  const auto ops = static_cast<double>(plan.ops);
  const double seconds = static_cast<double>(clock_us() - began) / 1e6;
  const Processor after = processor_of(plan.pid);
  std::printf(R"({"what": "drain", "ops": %llu, "per_second": %.0f, "cpu_us": %.3f, "background_us": %.3f})"
              "\n",
              static_cast<unsigned long long>(plan.ops), ops / seconds,
              static_cast<double>(after.all_ns - before.all_ns) / 1e3 / ops,
              static_cast<double>(after.background_ns - before.background_ns) / 1e3 / ops);
}

void hold(const Plan& plan, const Words* words) {
  Crowd crowd(plan);
  if (words != nullptr) {
    const Template request(*words, plan.bytes);
    const bool waits = std::find(words->begin(), words->end(), "WAIT") != words->end();
    for (size_t i = 0; i < crowd.size(); ++i) {
      std::string text;
      request.append(text, i);
      if (waits) {
        crowd[i].send(text);
      } else {
        crowd[i].ask(text);
      }
    }
  }
  std::puts("held");
  std::fflush(stdout);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) continue;
}

Plan read_plan(const Words& words) {
  Plan plan;
  std::map<std::string_view, uint64_t> numbers;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) fail("NAME=VALUE is wanted, not " + word);
    const std::string_view name = std::string_view(word).substr(0, equals);
    if (name == "probe") {
      plan.probe = word.substr(equals + 1);
      continue;
    }
    const auto [end, error] = std::from_chars(&word[equals + 1], word.data() + word.size(), numbers[name]);
    if (error != std::errc() || *end != '\0') fail("a number is wanted: " + word);
  }
  const auto take = [&](std::string_view name, auto& member) {
    if (const auto found = numbers.extract(name))
      member = static_cast<std::decay_t<decltype(member)>>(found.mapped());
  };
  take("port", plan.port);
  take("pid", plan.pid);
  take("connections", plan.connections);
  take("depth", plan.depth);
  take("bytes", plan.bytes);
  take("ops", plan.ops);
  take("first", plan.first);
  take("seconds", plan.seconds);
  take("rate", plan.rate);
  if (!numbers.empty()) fail("there is no " + std::string(numbers.begin()->first));
  if (plan.connections == 0 || plan.depth == 0 || plan.ops == 0)
    fail("connections, depth and ops count from 1");
  return plan;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Words> parts(1);  // what stands between the --
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--") == 0) {
      parts.emplace_back();
    } else {
      parts.back().emplace_back(argv[i]);
    }
  }
  if (parts[0].empty()) fail("usage: bench_crowd MODE NAME=VALUE… [-- WORD…]…; see the head of crowd.cpp");
  const std::string mode = parts[0][0];
  const Plan plan = read_plan({parts[0].begin() + 1, parts[0].end()});
  const auto part = [&](size_t i) -> const Words& {
    if (parts.size() <= i || parts[i].empty())
      fail(mode + " wants " + std::to_string(i) + " commands after --");
    return parts[i];
  };
  if (mode == "push") {
    Crowd crowd(plan);
    push(plan, crowd, part(1));
  } else if (mode == "cycle") {
    Crowd crowd(plan);
    push(plan, crowd, part(1));
    claim_and_acknowledge(plan, crowd, part(2));
  } else if (mode == "claims") {
    Crowd crowd(plan);
    claim_and_acknowledge(plan, crowd, part(1));
  } else if (mode == "lone") {
    lone(plan, part(1));
  } else if (mode == "drain") {
    drain(plan, part(1));
  } else if (mode == "hold") {
    hold(plan, parts.size() > 1 ? &part(1) : nullptr);
  } else if (mode == "deliver") {
    deliver(plan, part(1), part(2));
  } else if (mode == "beat") {
    beat(plan, part(1));
  } else if (mode == "soak") {
    soak(plan);
  } else {
    fail("there is no mode " + mode);
  }
}
