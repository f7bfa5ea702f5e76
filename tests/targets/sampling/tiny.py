from measured import is_near, row, start, verified

COUNT = 1_000_000
kept = [None] * COUNT


def put(place):
    kept[place] = object()


places = list(range(COUNT))
start(4096)
for place in places:
    put(place)
print(is_near(row(verified(), put, __file__).live_count, COUNT, 16, 4096))
