// How a delay is written into a routing key, as kombu >= 5.5 does for delayed delivery
// (kombu/transport/native_delayed_delivery.py). Pure.
//
// A chain of 28 exchanges and queues, one for each bit of the delay in seconds: where the bit is 1
// the message waits 2^level seconds in that level's queue and dies on to the next exchange, where
// it is 0 it goes straight on. Behind the last one the key still ends in the name of its queue.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace umbel::broker_rabbitmq {

inline constexpr int kDelayLevels = 28;
inline constexpr std::chrono::seconds kLongestDelay{(1LL << kDelayLevels) - 1};  // 8.5 years
inline constexpr std::string_view kDelayedDelivery = "celery_delayed_delivery";

[[nodiscard]] std::string delay_level_name(int level);  // `celery_delayed_27`

// `0.0.….1.1.queue`; `delay` is from 0 to kLongestDelay.
[[nodiscard]] std::string delayed_key(std::chrono::seconds delay, std::string_view queue);

// Binds the level's queue, or passes by it to the next level's exchange.
[[nodiscard]] std::string waits_key(int level);   // `*.*.….1.#`
[[nodiscard]] std::string passes_key(int level);  // `*.*.….0.#`

// Binds a queue behind the last level. With all 28 words and not `#.queue`, which for a queue `b`
// would also take what is for a queue `a.b`.
[[nodiscard]] std::string arrives_key(std::string_view queue);

}  // namespace umbel::broker_rabbitmq
