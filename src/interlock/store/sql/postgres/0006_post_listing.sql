-- `record_list` has taken its place.
DROP INDEX record_listing;
