#include "umbel/results_rpc/rpc_results.hpp"

#include "umbel/celery/result_meta.hpp"

namespace umbel {
namespace {

Error no_chords() {
  return invalid(
      "rpc:// cannot count the parts of a chord; a result backend that keeps results can: "
      "redis://");
}

class RpcResults final : public CallerResults {
 public:
  explicit RpcResults(Broker& broker) : broker_{broker} {}

  bool reaches(const CallerResult& result) const override { return !result.reply_to.empty(); }

  Result<void> tell(std::span<const CallerResult> results) override {
    for (const auto& result : results) {
      if (!reaches(result)) continue;
      Message message;
      message.content_type = "application/json";
      message.content_encoding = "utf-8";
      message.headers = "{}";
      message.body = celery::encode_result_message(result);
      message.correlation_id = result.id.str();
      if (const auto sent = broker_.reply({"", result.reply_to}, message); !sent) return sent;
    }
    return {};
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
