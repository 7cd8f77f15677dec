#include "umbel/results_rpc/rpc_results.hpp"

#include <utility>
#include <vector>

#include "umbel/celery/result_meta.hpp"

namespace umbel {
namespace {

Error no_chords() {
  return invalid(
      "rpc:// cannot count the parts of a chord; a result backend that keeps results can: "
      "redis://");
}

// Of one call to the broker: what it takes within its limit, and what lies in memory twice.
constexpr std::size_t kMostTogether = 500;
constexpr std::size_t kMostBytesTogether = 4 * 1024 * 1024;

OutgoingReply answer(const CallerResult& result) {
  OutgoingReply reply;
  reply.to.routing_key = result.reply_to;
  reply.message.content_type = "application/json";
  reply.message.content_encoding = "utf-8";
  reply.message.headers = "{}";
  reply.message.body = celery::encode_result_message(result);
  reply.message.correlation_id = result.id.str();
  return reply;
}

class RpcResults final : public CallerResults {
 public:
  explicit RpcResults(Broker& broker) : broker_{broker} {}

  bool reaches(const CallerResult& result) const override { return !result.reply_to.empty(); }

  Result<void> tell(std::span<const CallerResult> results) override {
    std::vector<OutgoingReply> replies;
    std::size_t bytes = 0;
    for (const auto& result : results) {
      if (!reaches(result)) continue;
      replies.push_back(answer(result));
      bytes += replies.back().message.body.size();
      if (bytes < kMostBytesTogether && replies.size() < kMostTogether) continue;
      if (const auto sent = broker_.reply_all(std::exchange(replies, {})); !sent) return sent;
      bytes = 0;
    }
    return broker_.reply_all(replies);
  }

  Result<FoundResult> find(const TaskId& id) override {
    return not_found("rpc:// keeps no results, that of task " + id.str() + " neither");
  }

  bool counts_chords() const override { return false; }
  Result<ChordReturn> chord_part(const ChordPart&) override { return no_chords(); }
  Result<void> chord_ended(const std::string&) override { return no_chords(); }
  Result<void> set_chord_size(const std::string&, std::uint64_t) override { return no_chords(); }
  Result<void> save_group(const ResultTree&) override { return no_chords(); }

  Result<void> ping() override { return broker_.ping(); }

 private:
  Broker& broker_;
};

}  // namespace

std::unique_ptr<CallerResults> make_rpc_results(Broker& broker) {
  return std::make_unique<RpcResults>(broker);
}

}  // namespace umbel
