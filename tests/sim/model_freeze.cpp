// The kill switch, from the contract's table.
#include "tests/sim/model.h"

namespace pawl::sim {
namespace {

namespace op = core::op;
using core::FreezeKind;
using core::FreezeScope;

// The narrowest freeze that stops it; nothing: it always passes.
struct StoppedBy {
  using Stop = std::optional<FreezeScope>;
  Stop operator()(const op::Push&) const { return FreezeScope::intake; }
  Stop operator()(const op::MultiPush&) const { return FreezeScope::intake; }
  Stop operator()(const op::DeadReplay& replay) const {
    return replay.dry_run ? std::nullopt : Stop(FreezeScope::intake);
  }
  Stop operator()(const op::Claim&) const { return FreezeScope::claims; }
  Stop operator()(const op::Ack&) const { return FreezeScope::all; }
  Stop operator()(const op::MultiAck&) const { return FreezeScope::all; }
  Stop operator()(const op::Fail&) const { return FreezeScope::all; }
  Stop operator()(const op::Release&) const { return FreezeScope::all; }
  Stop operator()(const op::Cancel&) const { return FreezeScope::all; }
  Stop operator()(const op::CancelFilter&) const { return FreezeScope::all; }
  Stop operator()(const op::Move&) const { return FreezeScope::all; }
  Stop operator()(const op::DeadEdit&) const { return FreezeScope::all; }
  Stop operator()(const op::DeadDrop&) const { return FreezeScope::all; }
  Stop operator()(const op::RoleDrop&) const { return FreezeScope::all; }
  template <typename Other>
  Stop operator()(const Other&) const {
    return std::nullopt;
  }
};

}  // namespace

bool ModelFreeze::stops(FreezeScope what) const { return kind != FreezeKind::none && what <= scope; }

std::optional<FreezeScope> Model::stopping_freeze(const core::Operation& operation) const {
  const auto stop = std::visit(StoppedBy{}, operation);
  return stop && freeze_.stops(*stop) ? stop : std::nullopt;
}

void Model::begin_freeze(FreezeKind kind, FreezeScope scope, std::string by, std::string_view reason,
                         int64_t until) {
  freeze_ = {
      kind, kind == FreezeKind::hard ? FreezeScope::all : scope, std::string(reason), std::move(by), wall_,
      until};
  ++freeze_news_;
}

void Model::end_freeze() {
  freeze_ = {};
  ++freeze_news_;
}

// The map that KILL SET, CLEAR and STATUS answer.
void Model::expect_freeze(const std::string& what, const Value& got) {
  expect_field(what, got, "freeze", Value::bulk(core::freeze_kind_name(freeze_.kind)));
  expect_field(what, got, "durable", Value::integer(1));
  if (freeze_.kind == FreezeKind::none) return;
  expect_field(what, got, "scope", Value::bulk(core::freeze_scope_name(freeze_.scope)));
  expect_field(what, got, "reason", Value::bulk(freeze_.reason));
  expect_field(what, got, "by", Value::bulk(freeze_.by));
  expect_field(what, got, "since", Value::integer(freeze_.since));
  if (freeze_.until != 0)
    expect_field(what, got, "until", Value::integer(freeze_.until));
  else if (got.field("until") != nullptr)
    wrong(what + " shows a time limit, and there is none: " + to_text(got));
}

bool Model::judge_kill(core::ClientId client, const core::Operation& operation, const Value* got) {
  if (const auto* files = std::get_if<op::KillFiles>(&operation)) {
    // What is not as the freeze that stands wins over it, but a hard one is not taken back by a file.
    if (files->hard && freeze_.kind != FreezeKind::hard) {
      begin_freeze(FreezeKind::hard, FreezeScope::all, "file", files->reason, 0);
    } else if (files->soft && freeze_.kind == FreezeKind::none) {
      begin_freeze(FreezeKind::soft, files->scope, "file", files->reason,
                   files->until_ms > wall_ ? files->until_ms : 0);
    } else if (!files->soft && freeze_.kind == FreezeKind::soft) {
      end_freeze();
    }
    return true;
  }
  if (got == nullptr) return false;
  if (const auto* set = std::get_if<op::KillSet>(&operation)) {
    if (set->hard || freeze_.kind != FreezeKind::hard) {
      begin_freeze(set->hard ? FreezeKind::hard : FreezeKind::soft, set->scope,
                   user_ != nullptr ? user_->name : "client " + std::to_string(client), set->reason,
                   set->for_ms && !set->hard ? wall_ + *set->for_ms : 0);
    }
    expect_freeze("KILL SET", *got);
  } else if (const auto* clear = std::get_if<op::KillClear>(&operation)) {
    if (freeze_.kind == FreezeKind::hard && !clear->hard) {
      expect("KILL CLEAR of a hard freeze", Value::error(Code::frozen), *got);
      return true;
    }
    if (freeze_.kind != FreezeKind::none) end_freeze();
    expect_freeze("KILL CLEAR", *got);
  } else {
    return false;
  }
  return true;
}

size_t Model::take_freeze_news() {
  const size_t news = freeze_news_;
  freeze_news_ = 0;
  return news;
}

}  // namespace pawl::sim
