// The store's one file, shared by the parts that implement its interfaces.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "connections.hpp"

namespace umbel::store_sqlite {

inline constexpr std::int32_t kStoreApplicationId = 0x556D6253;  // `UmbS`
inline constexpr std::size_t kIdleReaders = 8;

struct StoreFile {
  StoreFile(std::string file, std::unique_ptr<SQLite::Database> database)
      : path{std::move(file)}, writer{std::move(database)}, readers{path, kIdleReaders} {}

  // `work(Connection&)` in one transaction; `doing` is a few words, such as "accept tasks".
  template <class Work>
  auto write(std::string_view doing, Work&& work) {
    return writer.write(fmt::format("{} in {}", doing, path), std::forward<Work>(work));
  }
  template <class Work>
  auto read(std::string_view doing, Work&& work) {
    return readers.read(fmt::format("{} in {}", doing, path), std::forward<Work>(work));
  }

  std::string path;
  Writer writer;
  Readers readers;
};

// Takes `count` numbers of a rising series for good (`outbox`, `result`); answers the first. Inside
// a write transaction.
[[nodiscard]] std::uint64_t take_numbers(Connection& connection, const char* series,
                                         std::size_t count);

}  // namespace umbel::store_sqlite
