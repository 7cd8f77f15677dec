#include "leases.hpp"

namespace umbel::store_sqlite {

Result<bool> SqliteLeases::acquire(const std::string& name, const std::string& owner,
                                   std::chrono::milliseconds duration, WallTime now) {
  return file_.write("take a lease", [&](Connection& connection) -> Result<bool> {
    const bool held = connection.run(
                          "INSERT INTO leases (name, owner, expires) VALUES (?1, ?2, ?3)"
                          " ON CONFLICT (name) DO UPDATE SET owner = ?2, expires = ?3"
                          " WHERE owner = ?2 OR expires <= ?4",
                          name, owner, now + duration, now) > 0;
    return Result<bool>{held};
  });
}

Result<void> SqliteLeases::release(const std::string& name, const std::string& owner) {
  return file_.write("release a lease", [&](Connection& connection) -> Result<void> {
    connection.run("DELETE FROM leases WHERE name = ? AND owner = ?", name, owner);
    return {};
  });
}

}  // namespace umbel::store_sqlite
