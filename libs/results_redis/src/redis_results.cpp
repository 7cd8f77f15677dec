#include "umbel/results_redis/redis_results.hpp"

#include <charconv>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "connection.hpp"
#include "umbel/celery/chord_results.hpp"
#include "umbel/celery/result_meta.hpp"

namespace umbel {
namespace {

using redis::Command;
using redis::Reply;

// Of one pipeline: what a slow line carries within the timeout.
constexpr std::size_t kMostTogether = 200;
constexpr std::size_t kMostBytesTogether = 4 * 1024 * 1024;

std::optional<std::int64_t> number_in(const Reply& reply) {
  if (reply.kind == Reply::Kind::Integer) return reply.integer;
  if (reply.kind != Reply::Kind::Text) return std::nullopt;
  std::int64_t value = 0;
  const auto* end = reply.text.data() + reply.text.size();
  const auto [read, error] = std::from_chars(reply.text.data(), end, value);
  if (error != std::errc{} || read != end) return std::nullopt;
  return value;
}

// Refusals that a later try may not meet: the server loads, is full, a replica, or asks for rights
// that somebody can grant. Any other is of what was sent.
bool may_pass(std::string_view refusal) {
  for (const std::string_view word :
       {"LOADING", "OOM", "READONLY", "MISCONF", "NOAUTH", "WRONGPASS", "NOPERM", "MASTERDOWN",
        "NOREPLICAS", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "EXECABORT"}) {
    if (refusal.starts_with(word)) return true;
  }
  return false;
}

// Refusals of the server itself, not of a command: behind its name there may be another by now.
bool of_this_server(std::string_view refusal) {
  return refusal.starts_with("READONLY") || refusal.starts_with("MASTERDOWN") ||
         refusal.starts_with("NOAUTH");
}

class RedisResults final : public CallerResults {
 public:
  explicit RedisResults(RedisOptions options)
      : shown_{options.shown()},
        prefix_{options.prefix},
        expires_{options.expires.count()},
        connection_{std::move(options)} {}

  bool reaches(const CallerResult&) const override { return true; }

  Result<void> tell(std::span<const CallerResult> results) override {
    while (!results.empty()) {
      std::size_t count = 0, bytes = 0;
      while (count < results.size() && count < kMostTogether && bytes < kMostBytesTogether) {
        bytes += results[count].result.size() + results[count].traceback.size();
        ++count;
      }
      if (const auto told = tell_together(results.first(count)); !told) return told;
      results = results.subspan(count);
    }
    return {};
  }

  Result<FoundResult> find(const TaskId& id) override {
    const auto text = get(key_of(id));
    if (!text) return text.error();
    if (!*text) return not_found("redis " + shown_ + " has no result of task " + id.str());
    return celery::decode_result_meta(**text);
  }

  bool counts_chords() const override { return true; }

  Result<ChordReturn> chord_part(const ChordPart& part) override {
    const auto key = group_key(part.group);
    const auto complete = count(key, part);
    if (!complete) return complete.error();
    if (!*complete) return ChordReturn{};
    return collect(key, part);
  }

  Result<void> chord_ended(const std::string& group) override {
    const auto key = group_key(group);
    return run_one({"DEL", key + ".j", key + ".t", key + ".s", key + kClaim});
  }

  Result<void> set_chord_size(const std::string& group, std::uint64_t size) override {
    return keep(group_key(group) + ".s", std::to_string(size));
  }

  Result<void> save_group(const ResultTree& group) override {
    return keep(group_key(group.id), celery::encode_group(group));
  }

  Result<void> ping() override { return connection_.ping(); }

 private:
  // Ours beside Celery's three: which part has the body in hand.
  static constexpr const char* kClaim = ".umbel";

  [[nodiscard]] std::string key_of(const TaskId& id) const {
    return prefix_ + "celery-task-meta-" + id.str();
  }
  [[nodiscard]] std::string group_key(const std::string& group) const {
    return prefix_ + "celery-taskset-meta-" + group;
  }

  // Both the key and the channel of its name, or neither.
  void append_keep(std::vector<Command>& commands, const std::string& key,
                   const std::string& value) const {
    commands.push_back({"MULTI"});
    if (expires_ > 0) {
      commands.push_back({"SETEX", key, std::to_string(expires_), value});
    } else {
      commands.push_back({"SET", key, value});
    }
    commands.push_back({"PUBLISH", key, value});
    commands.push_back({"EXEC"});
  }

  [[nodiscard]] Error refused(const Reply& reply) {
    if (of_this_server(reply.text)) connection_.drop();
    const auto words = "redis " + shown_ + " refused: " + reply.text;
    return may_pass(reply.text) ? unavailable(words) : invalid(words);
  }

  // The replies of commands none of which was refused, those inside of transactions either.
  Result<std::vector<Reply>> run(const std::vector<Command>& commands) {
    auto replies = connection_.run(commands);
    if (!replies) return replies;
    for (const auto& reply : *replies) {
      if (reply.is_error()) return refused(reply);
      for (const auto& inner : reply.list) {
        if (inner.is_error()) return refused(inner);
      }
    }
    return replies;
  }
  Result<void> run_one(Command command) {
    const auto replies = run({std::move(command)});
    if (!replies) return replies.error();
    return {};
  }
  Result<void> keep(const std::string& key, const std::string& value) {
    std::vector<Command> commands;
    append_keep(commands, key, value);
    const auto replies = run(commands);
    if (!replies) return replies.error();
    return {};
  }

  Result<std::optional<std::string>> get(const std::string& key) {
    auto replies = run({{"GET", key}});
    if (!replies) return replies.error();
    if (replies->front().kind != Reply::Kind::Text) return std::optional<std::string>{};
    return std::optional{std::move(replies->front().text)};
  }

  Result<void> tell_together(std::span<const CallerResult> results) {
    Command ask{"MGET"};
    for (const auto& result : results) ask.push_back(key_of(result.id));
    const auto known = run({ask});
    if (!known) return known.error();
    std::set<std::string> succeeded;
    const auto& kept = known->front().list;
    for (std::size_t i = 0; i < results.size() && i < kept.size(); ++i) {
      if (kept[i].kind == Reply::Kind::Text && celery::says_success(kept[i].text)) {
        succeeded.insert(results[i].id.str());
      }
    }
    std::vector<Command> commands;
    for (const auto& result : results) {
      if (succeeded.contains(result.id.str())) continue;
      append_keep(commands, key_of(result.id), celery::encode_result_meta(result));
      if (result.state == TaskState::Success) succeeded.insert(result.id.str());
    }
    const auto replies = run(commands);
    if (!replies) return replies.error();
    return {};
  }

  // Whether this part was the last one missing.
  Result<bool> count(const std::string& key, const ChordPart& part) {
    const auto j = key + ".j", t = key + ".t", s = key + ".s";
    std::vector<Command> commands{{"MULTI"},
                                  {"ZADD", j, part.index ? std::to_string(*part.index) : "+inf",
                                   celery::encode_chord_part(part)},
                                  {"ZCOUNT", j, "-inf", "+inf"},
                                  {"GET", t},
                                  {"GET", s}};
    if (expires_ > 0) {
      for (const auto& one : {j, t, s})
        commands.push_back({"EXPIRE", one, std::to_string(expires_)});
    }
    commands.push_back({"EXEC"});
    const auto replies = run(commands);
    if (!replies) return replies.error();
    const auto& answers = replies->back().list;
    if (answers.size() < 4) return unavailable("redis " + shown_ + ": EXEC without its answers");
    const auto size = number_in(answers[3]);
    if (!size) return false;  // not all of the header was sent yet
    return number_in(answers[1]) == *size + number_in(answers[2]).value_or(0);
  }

  // Several parts may be told again after the last one: only one of them has the body in hand.
  Result<ChordReturn> collect(const std::string& key, const ChordPart& part) {
    const auto claim = key + kClaim;
    Command take{"SET", claim, part.id.str(), "NX"};
    if (expires_ > 0) {
      take.push_back("EX");
      take.push_back(std::to_string(expires_));
    }
    const auto replies =
        run({std::move(take), {"GET", claim}, {"GET", key}, {"ZRANGE", key + ".j", "0", "-1"}});
    if (!replies) return replies.error();
    if ((*replies)[1].text != part.id.str()) return ChordReturn{};
    std::vector<std::string> parts;
    for (const auto& one : (*replies)[3].list) parts.push_back(one.text);
    const auto& saved = (*replies)[2];
    if (saved.kind != Reply::Kind::Text) return celery::join_chord(parts);
    const auto form = celery::decode_group(saved.text);
    if (!form) {
      return ChordReturn{ChordReturn::Is::Failed, {}, "Join error: " + form.error().what};
    }
    std::optional<Error> outage;
    auto joined = celery::join_chord(parts, *form, [&](const TaskId& id) -> Result<FoundResult> {
      auto found = find(id);
      if (!found && found.error().code != Errc::NotFound && found.error().code != Errc::Invalid) {
        outage = found.error();
      }
      return found;
    });
    if (outage) return *outage;
    return joined;
  }

  const std::string shown_, prefix_;
  const std::int64_t expires_;  // seconds; 0: never
  redis::Connection connection_;
};

}  // namespace

std::unique_ptr<CallerResults> make_redis_results(RedisOptions options) {
  return std::make_unique<RedisResults>(std::move(options));
}

}  // namespace umbel
