import pickle


class Point:
    def __init__(self, x):
        self.x = x

    def method(self):
        return self.x


def function():
    return "function"


data = pickle.dumps([Point(3), Point.method, function])
point, method, same = pickle.loads(data)
print(type(point) is Point, point.x, method(point), same is function, Point.__module__)
