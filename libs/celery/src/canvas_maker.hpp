// Turns signatures into messages, as a worker applies them (canvas.py: apply_async of Signature,
// chain, group and chord), all for one finished task.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/celery/canvas.hpp"
#include "umbel/celery/signature.hpp"

namespace umbel::celery {

// Null: not set.
[[nodiscard]] const boost::json::value* option(const boost::json::object& options,
                                               std::string_view name);
[[nodiscard]] std::string text_option(const boost::json::object& options, std::string_view name);
[[nodiscard]] boost::json::array documents_of(const std::vector<Signature>& signatures);
// A list of one. Braces around an array would be read as a copy of it by some compilers.
[[nodiscard]] boost::json::array list_of(boost::json::value one);

class CanvasMaker {
 public:
  // What a signature is applied with.
  struct Given {
    boost::json::array args{};      // before its own, unless it is immutable
    boost::json::array rest{};      // of the chain that it stands in, the next one last
    boost::json::object overlay{};  // options of the composite around it, which go before its own
  };

  // Ids are made of `seed`. Both references outlive this.
  CanvasMaker(const TaskMessage& parent, std::string seed, const Surroundings& around);

  void apply(const Signature& signature, Given given);
  // With the id of what failed, as a group.
  void call_errbacks(std::vector<Signature> errbacks, const std::string& failed);
  [[nodiscard]] Result<Following> made();

 private:
  // What the last task of a composite learns of where it stands.
  struct Place {
    std::string id{};
    std::string group{};
    std::int64_t* next_index = nullptr;
    const boost::json::object* chord = nullptr;
  };

  ResultTree make(Signature signature, Given given);
  ResultTree send(const Signature& signature, Given given);
  ResultTree make_chain(Signature chain, Given given);
  ResultTree make_group(Signature group, Given given);
  ResultTree make_chord(Signature chord, Given given);
  [[nodiscard]] std::vector<Signature> steps_of(Signature chain);
  ResultTree settle(Signature& signature, const Place& place);
  void unlock(const CountedChord& chord, const boost::json::object& body);
  void stamp(const boost::json::object& options, TaskMessage& message) const;
  [[nodiscard]] QueueName queue_for(const Signature& signature,
                                    const boost::json::object& options) const;
  [[nodiscard]] std::string new_id();
  // For as many messages as will hold a copy of `document` each.
  [[nodiscard]] bool fits(const boost::json::value& document, std::size_t copies);
  void refuse(Error error);

  const TaskMessage& parent_;
  const std::string seed_;
  const Surroundings& around_;
  std::uint64_t ids_ = 0;
  std::size_t bytes_ = 0;
  Following made_;
  std::optional<Error> refused_;
};

}  // namespace umbel::celery
